"""Devices and administrators as raw callers, so that a test can lie on the wire."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.security import Administrators
from fieldfare.aggregator.settings import EngineSettings, LimitSettings, SecuritySettings
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.access import Role
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.signing import enrollment_message, public_key_of, refresh_message, sign
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc
from tests.integration.aggregator.fleet import Device
from tests.unit.aggregator.world import CAPABILITIES, device_id

SECURITY = SecuritySettings(enrollment="required", revocation_poll=timedelta(milliseconds=50))
SETTINGS = ServerSettings(
    pace=PaceSettings(shortest=timedelta(seconds=0.1)),
    engine=EngineSettings(receipt_wait=timedelta(seconds=0.05)),
    security=SECURITY,
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def with_security(limits: LimitSettings | None = None, **changes: Any) -> ServerSettings:
    return replace(SETTINGS, security=replace(SECURITY, **changes), limits=limits or LimitSettings())


@contextmanager
def serving(
    folder: Path, settings: ServerSettings = SETTINGS, clock: Clock | None = None, **options: Any
) -> Iterator[Aggregator]:
    with Aggregator(folder / "state", settings=settings, clock=clock or Clock(), **options) as aggregator:
        yield aggregator


@contextmanager
def administrators(folder: Path) -> Iterator[Administrators]:
    """What `fieldfare admin` opens."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    database = open_sqlite(state / "fieldfare.db")
    yield Administrators(database.security, clock=Clock(), random_bytes=os.urandom)
    database.close()


def credential(folder: Path, name: str, role: Role) -> str:
    with administrators(folder) as known:
        return known.add(name, role)


@dataclass
class Caller:
    """One device with a key pair of its own, which signs what a test tells it to."""

    index: int
    stub: aggregator_pb2_grpc.AggregatorStub
    token: str = ""
    population: str = "p"
    signed: int = field(default=0)

    @property
    def id(self) -> bytes:
        return device_id(self.index)

    @property
    def seed(self) -> bytes:
        return bytes([self.index + 1]) * 32

    def enroll(self, key: str, **changes: Any) -> aggregator_pb2.AccessToken:
        request = aggregator_pb2.EnrollRequest(key=key, device_id=self.id, public_key=public_key_of(self.seed))
        for name, value in changes.items():
            setattr(request, name, value)
        if "signature" not in changes:
            request.signature = sign(self.seed, enrollment_message(request.device_id, request.key))
        answer = self.stub.Enroll(request, timeout=20)
        self.token = answer.token
        return answer

    def refresh(self, now: datetime, **changes: Any) -> aggregator_pb2.AccessToken:
        micros = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        signature = sign(self.seed, refresh_message(self.id, micros))
        request = aggregator_pb2.RefreshTokenRequest(device_id=self.id, time_micros=micros, signature=signature)
        for name, value in changes.items():
            setattr(request, name, value)
        answer = self.stub.RefreshToken(request, timeout=20)
        self.token = answer.token
        return answer

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def check_in(self, **changes: Any) -> aggregator_pb2.CheckInResponse:
        request = aggregator_pb2.CheckInRequest(
            population=self.population, device_id=self.id, capabilities=CAPABILITIES
        )
        for name, value in changes.items():
            setattr(request, name, value)
        return self.stub.CheckIn(request, timeout=20, metadata=self.metadata)

    def device(self) -> Device:
        """The same device, as other tests have it, with this one's token in every call."""
        return Device(self.index, _Signed(self), self.population)  # type: ignore[arg-type]


class _Signed:
    """A stub whose calls carry the caller's token of that moment."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._caller.stub, name)
        return lambda *args, **options: call(*args, metadata=self._caller.metadata, **options)


@contextmanager
def refused(code: grpc.StatusCode, words: str) -> Iterator[list[grpc.RpcError]]:
    """The body's call ends with this status and these words."""
    errors: list[grpc.RpcError] = []
    try:
        yield errors
    except grpc.RpcError as error:
        errors.append(error)
    assert errors, f"the call was not refused with {code.name}"
    assert errors[0].code() is code, errors[0].details()
    assert words in errors[0].details(), errors[0].details()


def key_for(admin: AdminClient, population: str = "p") -> str:
    (key,) = admin.create_keys(population, 1, timedelta(hours=1))
    return key
