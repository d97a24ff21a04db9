"""Calls on `Admin`, with errors of ours in place of gRPC's."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import grpc
import numpy as np
from numpy.typing import NDArray

from fieldfare.core.addresses import parse_address
from fieldfare.core.client_tls import read_client_tls
from fieldfare.core.errors import (
    AuthenticationError,
    ConfigError,
    FieldfareError,
    NotFoundError,
    PermissionDeniedError,
    PlanError,
    ProtocolError,
    StateError,
    TransportError,
)
from fieldfare.core.tasks import TaskAction, TaskSpec
from fieldfare.core.weights import pack_weights
from fieldfare.protos.v1 import admin_pb2, admin_pb2_grpc, aggregator_pb2, task_pb2, tensors_pb2

_CHUNK_BYTES = 512 * 1024
_CALL_S = 60.0
_TRANSFER_S = 3600.0
_MAX_MESSAGE_BYTES = 64 * 2**20
_ERRORS: dict[grpc.StatusCode, Callable[[str], FieldfareError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ConfigError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: StateError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
}


class AdminClient:
    """Submits tasks, shows them, acts on them, and fetches what they made. A context manager.

    Args:
        address: "HOST:PORT" of the administration port. A plain connection is made to this machine only.
        token: of `fieldfare admin add`; needed once there is any.
        tls_ca: PEM file of the authorities to trust; without it the system's. With it, loopback gets TLS too.
        tls_cert: PEM file with the administrator's own certificate chain, where the aggregator asks for one.
        tls_key: PEM file with its private key.

    Raises:
        ConfigError: an address that cannot be read, an absent file, a certificate without its key.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
    ) -> None:
        parsed = parse_address(address, field="admin")
        tls = read_client_tls(tls_ca, tls_cert, tls_key)
        self.address = address
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.enable_http_proxy", 0),
        ]
        if parsed.is_loopback and not tls.is_asked_for:
            self._channel = grpc.insecure_channel(address, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(tls.roots, tls.key, tls.chain)
            self._channel = grpc.secure_channel(address, credentials, options=options)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._stub = admin_pb2_grpc.AdminStub(self._channel)

    def submit(
        self,
        plan: bytes | Path,
        spec: TaskSpec,
        *,
        weights: NDArray[np.float32] | None = None,
        signatures: Iterable[aggregator_pb2.PlanSignature] = (),
    ) -> task_pb2.TaskStatus:
        """Submit a task; it runs at once.

        Args:
            plan: the `.tflite` file or its bytes.
            spec: what to do with it.
            weights: initial weights, `(total,)` float32 in the plan's order; the plan's own where there are none.
            signatures: publishers' signatures over the plan (`fieldfare plan sign`).

        Raises:
            PlanError: not a usable plan.
            WeightsError: weights that do not fit.
            ConfigError: the aggregator refuses the task.
            TransportError: the aggregator cannot be reached.
        """
        from fieldfare.core.plans import PlanRuntime, read_manifest

        content = _read(plan)
        manifest = read_manifest(content)
        spec.check_against_plan(
            manifest.metric_names, has_gradients=manifest.has_gradients, batch_size=manifest.batch_size
        )
        if weights is None:
            weights = PlanRuntime(content).get_weights()
        checkpoint = pack_weights(manifest.weight_specs, np.asarray(weights, np.float32))
        header = admin_pb2.SubmitTaskHeader(
            spec=spec.to_proto(), plan=_ref(content), checkpoint=_ref(checkpoint), plan_signatures=signatures
        )

        def parts() -> Iterator[admin_pb2.SubmitTaskRequest]:
            yield admin_pb2.SubmitTaskRequest(header=header)
            for blob in (content, checkpoint):
                for start in range(0, len(blob), _CHUNK_BYTES):
                    yield admin_pb2.SubmitTaskRequest(data=blob[start : start + _CHUNK_BYTES])

        with self._errors():
            return self._stub.SubmitTask(parts(), timeout=_TRANSFER_S, metadata=self._metadata)
        raise AssertionError("unreachable")  # pragma: no cover

    def list(self, population: str = "") -> list[task_pb2.TaskStatus]:
        """Tasks of a population, or of all; oldest first, without their rounds.

        Raises:
            TransportError: the aggregator cannot be reached.
        """
        with self._errors():
            return [
                *self._stub.ListTasks(
                    admin_pb2.ListTasksRequest(population=population), timeout=_CALL_S, metadata=self._metadata
                ).tasks
            ]
        raise AssertionError("unreachable")  # pragma: no cover

    def show(self, task: str, rounds_after: int | None = None) -> task_pb2.TaskStatus:
        """One task by id, or by name where that is unique.

        Args:
            task: id or name.
            rounds_after: also the rounds with a number above this; None for no rounds.

        Raises:
            NotFoundError: there is no such task.
            StateError: several have this name.
            TransportError: the aggregator cannot be reached.
        """
        with self._errors():
            return self._stub.GetTask(
                admin_pb2.GetTaskRequest(task=task, rounds_after=rounds_after), timeout=_CALL_S, metadata=self._metadata
            )
        raise AssertionError("unreachable")  # pragma: no cover

    def control(self, task: str, action: TaskAction) -> task_pb2.TaskStatus:
        """Pause, resume or cancel a task.

        Raises:
            NotFoundError: there is no such task.
            StateError: its state does not allow it.
            TransportError: the aggregator cannot be reached.
        """
        with self._errors():
            return self._stub.ControlTask(
                admin_pb2.ControlTaskRequest(task=task, action=action.value), timeout=_CALL_S, metadata=self._metadata
            )
        raise AssertionError("unreachable")  # pragma: no cover

    def fetch(self, artifact: tensors_pb2.ArtifactRef) -> bytes:
        """A plan or checkpoint, with size and digest checked.

        Raises:
            NotFoundError: there is no such artifact.
            ProtocolError: what came is not what was asked for.
            TransportError: the aggregator cannot be reached.
        """
        content = bytearray()
        with self._errors():
            request = aggregator_pb2.FetchArtifactRequest(sha256=artifact.sha256)
            for chunk in self._stub.FetchArtifact(request, timeout=_TRANSFER_S, metadata=self._metadata):
                if chunk.offset != len(content) or len(content) + len(chunk.data) > artifact.size_bytes:
                    raise ProtocolError("the aggregator sent other bytes than the artifact's")
                content += chunk.data
        if hashlib.sha256(content).digest() != artifact.sha256:
            raise ProtocolError("the artifact that came does not match its digest: fetch it again")
        return bytes(content)

    def create_keys(self, population: str, count: int, valid_for: timedelta) -> Sequence[str]:
        """One-time keys with which devices of a population enrol; the aggregator keeps digests only.

        Args:
            population: that the devices join.
            count: 1 to 10,000.
            valid_for: at most 366 days.

        Raises:
            ConfigError: a population, count or time that cannot be.
            TransportError: the aggregator cannot be reached, or refuses.
        """
        request = admin_pb2.CreateEnrollmentKeysRequest(population=population, count=count, valid_for=valid_for)
        with self._errors():
            return [*self._stub.CreateEnrollmentKeys(request, timeout=_CALL_S, metadata=self._metadata).keys]
        raise AssertionError("unreachable")  # pragma: no cover

    def devices(self, population: str = "") -> Iterator[admin_pb2.Device]:
        """Enrolled devices of a population, or of all, in order of their ids; fetched page by page.

        Raises:
            TransportError: the aggregator cannot be reached, or refuses.
        """
        after = b""
        while True:
            request = admin_pb2.ListDevicesRequest(population=population, after=after)
            with self._errors():
                page = self._stub.ListDevices(request, timeout=_CALL_S, metadata=self._metadata).devices
            if not page:
                return
            yield from page
            after = page[-1].device_id

    def revoke_device(self, device_id: bytes) -> admin_pb2.Device:
        """End a device's tokens, within seconds at every replica; it gets no new one.

        Raises:
            NotFoundError: there is no such device.
            TransportError: the aggregator cannot be reached, or refuses.
        """
        request = admin_pb2.RevokeDeviceRequest(device_id=device_id)
        with self._errors():
            return self._stub.RevokeDevice(request, timeout=_CALL_S, metadata=self._metadata)
        raise AssertionError("unreachable")  # pragma: no cover

    def audit(self, *, before: int = 0, limit: int = 100) -> Sequence[admin_pb2.AuditRecord]:
        """What administrators did, newest first.

        Args:
            before: records with a lower number only; 0 for the newest.
            limit: at most so many.

        Raises:
            TransportError: the aggregator cannot be reached, or refuses.
        """
        request = admin_pb2.ListAuditRecordsRequest(before=before, limit=limit)
        with self._errors():
            return [*self._stub.ListAuditRecords(request, timeout=_CALL_S, metadata=self._metadata).records]
        raise AssertionError("unreachable")  # pragma: no cover

    def close(self) -> None:
        """Release the connection."""
        self._channel.close()

    def __enter__(self) -> "AdminClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            # Safe: every error of a call is a `grpc.Call` too.
            code, details = error.code(), error.details() or ""
            if code in _ERRORS:
                raise _ERRORS[code](details) from error
            if code is grpc.StatusCode.UNAVAILABLE:
                # What a port with TLS does to a caller without it, and without a word.
                closed = " with TLS, which --tls-ca is for" if "Socket closed" in details else ""
                where = f"{self.address}: is `fieldfare serve` running there{closed}?"
                raise TransportError(f"no answer from an aggregator at {where} ({details})") from error
            raise TransportError(f"the call to {self.address} failed: {code.name} {details}") from error


def _read(plan: bytes | Path) -> bytes:
    if isinstance(plan, bytes):
        return plan
    try:
        return plan.read_bytes()
    except OSError as error:
        raise PlanError(f"cannot read the plan {plan}: {error.strerror or error}") from error


def _ref(content: bytes) -> tensors_pb2.ArtifactRef:
    return tensors_pb2.ArtifactRef(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))
