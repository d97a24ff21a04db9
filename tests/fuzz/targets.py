"""What is fed with damaged input. A target takes a random generator, makes one input of it, and holds the code to it.

A target returns "taken" or the name of the error of ours with which the input was refused; anything else that comes out
is a defect.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from fieldfare.aggregator.security import Enrollment
from fieldfare.aggregator.service._ingest import read_payload
from fieldfare.aggregator.service._records import read_validity
from fieldfare.aggregator.settings import SecuritySettings
from fieldfare.core.access import AccessClaims, open_access_token, seal_access_token, split_credential
from fieldfare.core.aggregation import FixedPointSum, MetricTotals
from fieldfare.core.encodings import decode_update
from fieldfare.core.errors import FieldfareError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.rounds import open_ticket
from fieldfare.core.sessions import read_assignment
from fieldfare.core.signing import (
    check_plan_signatures,
    enrollment_message,
    plan_signature_from_file,
    plan_signature_to_file,
    public_key_from_pem,
    public_key_of,
    public_key_to_pem,
    sign,
    sign_plan,
)
from fieldfare.core.tasks import AggregationSpec, Algorithm, CohortSpec, TaskSpec, task_spec_from_mapping
from fieldfare.core.weights import sha256, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, encoding_pb2, task_pb2
from tests.conformance.examples import EXAMPLES, SNAPSHOT, SNAPSHOT_BOUNDS, TICKET, TICKET_KEY, WEIGHTS_FILE
from tests.fuzz.example_files import example_file
from tests.fuzz.mutation import damaged_bytes, damaged_message, damaged_wire
from tests.support.tiny_plan import tiny_manifest
from tests.unit.aggregator.world import PLAN, SPEC, Work, World

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_TASKS = [replace(SPEC, aggregation=AggregationSpec(one)).to_proto() for one in (Algorithm.FEDAVG, Algorithm.FEDBUFF)]
_KEYS = [*task_pb2.TaskSpec.DESCRIPTOR.fields_by_name, *task_pb2.CohortSpec.DESCRIPTOR.fields_by_name, "x"]
_TOML_VALUES = (None, True, -1, 2**70, 0.5, float("nan"), "", "x" * 100, "-1s", [], [1], {}, {"a": 1}, _NOW)

Target = Callable[[random.Random], str]
_KEY = bytes(range(32))
_TOKEN = seal_access_token(_KEY, AccessClaims(bytes(16), "digits", _NOW + timedelta(hours=1)))
_SIGNATURE = sign_plan(bytes(32), bytes(32))
_SIGNATURE_FILE, _PEM = plan_signature_to_file(_SIGNATURE), public_key_to_pem(public_key_of(bytes(32)))
_MANIFEST = tiny_manifest().to_bytes()
_TOTALS = '{"loss": ["18446744073709551616", "36893488147419103232"]}'
_TASK: Any = EXAMPLES["fieldfare.protos.v1.TaskSpec"]
_ASSIGNMENT: Any = EXAMPLES["fieldfare.protos.v1.Assignment"]


def _held(decode: Callable[[], object]) -> str:
    try:
        decode()
    except FieldfareError as error:
        str(error)
        return type(error).__name__
    return "taken"


def _parsed(kind: type[Message], data: bytes) -> Any:
    """None where protobuf itself refuses the bytes, before code of ours sees them."""
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def weights_file(rng: random.Random) -> str:
    data = damaged_bytes(rng, WEIGHTS_FILE)
    return _held(lambda: unpack_weights(data))


def snapshot(rng: random.Random) -> str:
    data = damaged_bytes(rng, SNAPSHOT)
    return _held(lambda: FixedPointSum.from_bytes(data, SNAPSHOT_BOUNDS))


def manifest(rng: random.Random) -> str:
    data = damaged_bytes(rng, _MANIFEST)
    return _held(lambda: Manifest.from_bytes(data))


def plan(rng: random.Random) -> str:
    data = damaged_bytes(rng, PLAN)
    return _held(lambda: read_manifest(data))


def ticket(rng: random.Random) -> str:
    data = damaged_bytes(rng, TICKET)
    found = _held(lambda: open_ticket(TICKET_KEY, data))
    assert found != "taken" or data == TICKET, "a damaged ticket was taken"
    return found


def access_token(rng: random.Random) -> str:
    text = damaged_bytes(rng, _TOKEN.encode()).decode("latin-1")
    split_credential(text)
    found = _held(lambda: open_access_token(_KEY, text, _NOW))
    if found == "taken":
        assert open_access_token(_KEY, text, _NOW) == open_access_token(_KEY, _TOKEN, _NOW), "a forged token was taken"
    return found


def signature(rng: random.Random) -> str:
    match rng.randrange(3):
        case 0:
            content = damaged_bytes(rng, _SIGNATURE_FILE)
            return _held(lambda: plan_signature_from_file(content))
        case 1:
            pem = damaged_bytes(rng, _PEM)
            return _held(lambda: public_key_from_pem(pem))
        case _:
            proto: Any = damaged_message(rng, _SIGNATURE)
            found = _held(lambda: check_plan_signatures([proto], bytes(32)))
            same = (proto.public_key, proto.signature) == (_SIGNATURE.public_key, _SIGNATURE.signature)
            assert found != "taken" or same, "a forged signature was taken"
            return found


def metric_totals(rng: random.Random) -> str:
    text = damaged_bytes(rng, _TOTALS.encode()).decode("latin-1")
    return _held(lambda: MetricTotals.from_json(text).sums())


def update(rng: random.Random) -> str:
    size = rng.choice((0, 1, 3, 5))
    values = np.array([rng.choice((0.0, 1.0, 257.0, np.nan, np.inf, -0.5)) for _ in range(size)], "<f4")
    encoding: Any = damaged_message(rng, EXAMPLES["fieldfare.protos.v1.EncodingStage.float16"])
    stages = [encoding] * rng.choice((0, 1, 1, 1, 2))
    payload = values.astype("<f2").tobytes() if rng.random() < 0.5 else values.tobytes()
    if rng.random() < 0.5:
        payload = damaged_bytes(rng, payload)
    return _held(
        lambda: decode_update(encoding_pb2.Encoding(stages=stages), payload, size, max_abs_value=rng.choice((1.0, 1e9)))
    )


def assignment(rng: random.Random) -> str:
    proto = _parsed(
        aggregator_pb2.Assignment, damaged_wire(rng, rng.choice((_ASSIGNMENT, _Sites.get().work.assignment)))
    )
    return "no message" if proto is None else _held(lambda: read_assignment(proto))


def task_spec(rng: random.Random) -> str:
    proto = _parsed(task_pb2.TaskSpec, damaged_wire(rng, rng.choice((_TASK, *_TASKS))))
    return "no message" if proto is None else _held(lambda: TaskSpec.from_proto(proto))


def task_mapping(rng: random.Random) -> str:
    tree: Any = {"name": "n", "population": "p", "rounds": 3, "training": {"goal_count": 5, "report_timeout": "30s"}}
    place = rng.choice((tree, tree["training"]))
    place[rng.choice(_KEYS)] = rng.choice(_TOML_VALUES)
    return _held(lambda: task_spec_from_mapping(tree))


def enrollment(rng: random.Random) -> str:
    store = _Sites.get().enrollment
    seed = bytes([rng.randrange(4)]) * 32
    device, key = bytes([rng.randrange(4)]) * 16, rng.choice(_Sites.get().keys)
    if rng.random() < 0.5:
        valid: Any = aggregator_pb2.EnrollRequest(
            key=key,
            device_id=device,
            public_key=public_key_of(seed),
            signature=sign(seed, enrollment_message(device, key)),
        )
        request = _parsed(aggregator_pb2.EnrollRequest, damaged_wire(rng, valid))
        return "no message" if request is None else _held(lambda: store.enroll(request))
    moment = rng.choice((0, 10**15))
    valid = aggregator_pb2.RefreshTokenRequest(device_id=device, time_micros=moment, signature=bytes(64))
    request = _parsed(aggregator_pb2.RefreshTokenRequest, damaged_wire(rng, valid))
    return "no message" if request is None else _held(lambda: store.refresh(request))


def validity(rng: random.Random) -> str:
    proto: Any = damaged_message(rng, EXAMPLES["fieldfare.protos.v1.CreateEnrollmentKeysRequest"])
    return _held(lambda: read_validity(proto.valid_for))


def report(rng: random.Random) -> str:
    """Header, stream and payload through the engine: what is refused leaves the sum as it was."""
    site = _Sites.get()
    work = site.next_work()
    header: Any = site.world.header(work)
    payload = np.array([rng.choice((0.5, -0.25, 3.0)) for _ in range(3)], "<f4").tobytes()
    digest = sha256(payload)
    match rng.randrange(4):
        case 0:
            header = _parsed(aggregator_pb2.ReportHeader, damaged_wire(rng, header)) or header
        case 1:
            payload = damaged_bytes(rng, payload)
            digest = sha256(payload) if rng.random() < 0.7 else digest
        case 2:
            values = [rng.choice((np.nan, np.inf, -np.inf, 1e30, 257.0, 0.5)) for _ in range(3)]
            payload = np.array(values, "<f4").tobytes()
            digest = sha256(payload)
        case _:
            digest = damaged_bytes(rng, digest)
    before = site.sum()
    found = _held(lambda: site.take_in(header, _parts(rng, payload, digest)))
    after = site.sum()
    if found == "taken":
        assert after[0] - before[0] in (0, 1), "counted more than once"
    else:
        assert after == before, f"refused ({found}), but the sum changed"
    return found


def _parts(rng: random.Random, payload: bytes, digest: bytes) -> list[aggregator_pb2.ReportRequest]:
    cut = rng.randrange(len(payload) + 1)
    trailer = aggregator_pb2.ReportTrailer(sha256=digest)
    parts = [
        aggregator_pb2.ReportRequest(data=payload[:cut]),
        aggregator_pb2.ReportRequest(data=payload[cut:]),
        aggregator_pb2.ReportRequest(trailer=trailer),
    ]
    if rng.random() < 0.2:
        parts.insert(rng.randrange(4), rng.choice((*parts, aggregator_pb2.ReportRequest())))
    if rng.random() < 0.1:
        del parts[rng.randrange(len(parts))]
    return parts


class _Site:
    """A real engine and a real data base in a folder; made anew now and then, so that it stays small."""

    _DEVICES = 2000

    def __init__(self, folder: Path) -> None:
        cohort = CohortSpec(self._DEVICES, self._DEVICES, 1.0, timedelta(days=1), timedelta(days=1))
        self.world = World(folder)
        self.world.submit(replace(SPEC, training=cohort))
        self.given = 0
        self.work = self.next_work()
        self._loop = asyncio.new_event_loop()
        self.enrollment = Enrollment(
            self.world.database.security,
            _KEY,
            SecuritySettings(),
            clock=lambda: self.world.now,
            random_bytes=random.Random(1).randbytes,
        )
        self.keys = self.enrollment.create_keys("p", 8, timedelta(days=1))

    @property
    def spent(self) -> bool:
        return self.given >= self._DEVICES

    def next_work(self) -> Work:
        work = self.world.check_in(self.given)
        self.given += 1
        assert work is not None
        return work

    def take_in(self, header: aggregator_pb2.ReportHeader, parts: list[aggregator_pb2.ReportRequest]) -> None:
        reports = self.world.engine.reports
        given = reports.read_ticket(header)
        admission = reports.admit(given, header)
        if admission is None:
            return

        async def stream() -> Any:
            for part in parts:
                yield part

        reading = read_payload(aiter(stream()), header.payload_bytes, chunk_time_limit=timedelta(seconds=1))
        payload, digest = self._loop.run_until_complete(reading)
        reports.add(admission, payload, digest)

    def sum(self) -> tuple[int, bytes]:
        """Devices in the sum, and its bytes."""
        run = self.world.engine._tasks.find(self.world.task_id)
        assert run is not None
        assert run.open is not None
        frozen = run.open.accumulator.freeze()
        return len(frozen.devices), bytes(frozen.result)

    def close(self) -> None:
        self._loop.close()
        self.world.database.close()


class _Sites:
    """The present site."""

    _folder: tempfile.TemporaryDirectory[str] | None = None
    _site: _Site | None = None
    _count = 0

    @classmethod
    def get(cls) -> _Site:
        if cls._folder is None:
            cls._folder = tempfile.TemporaryDirectory()
        if cls._site is None or cls._site.spent:
            if cls._site is not None:
                cls._site.close()
            cls._count += 1
            cls._site = _Site(Path(cls._folder.name) / str(cls._count))
        return cls._site

    @classmethod
    def close(cls) -> None:
        if cls._site is not None:
            cls._site.close()
        if cls._folder is not None:
            cls._folder.cleanup()
        cls._site, cls._folder = None, None


@contextmanager
def sites() -> Iterator[None]:
    """Removes what the targets made."""
    try:
        yield
    finally:
        _Sites.close()


TARGETS: dict[str, tuple[Target, int]] = {
    "report": (report, 10),
    "update": (update, 20),
    "ticket": (ticket, 10),
    "weights_file": (weights_file, 10),
    "snapshot": (snapshot, 10),
    "manifest": (manifest, 10),
    "plan": (plan, 5),
    "task_spec": (task_spec, 10),
    "task_mapping": (task_mapping, 3),
    "assignment": (assignment, 10),
    "metric_totals": (metric_totals, 5),
    "access_token": (access_token, 10),
    "signature": (signature, 5),
    "enrollment": (enrollment, 1),
    "validity": (validity, 2),
    "example_file": (example_file, 1),
}
"""Name to the target and its share of all inputs."""
