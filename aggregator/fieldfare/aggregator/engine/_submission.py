"""A task on its way in: received into files beside the store, checked as a whole, and only then kept."""

import hashlib
import secrets
from pathlib import Path
from types import TracebackType

from fieldfare.core.errors import ConfigError, PlanError, ProtocolError, StorageError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.sessions import Artifact
from fieldfare.core.signing import check_plan_signatures, is_published
from fieldfare.core.tasks import TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import admin_pb2, tensors_pb2

_DIGEST_BYTES = 32
MAX_CHUNK_BYTES = 2**20


class Incoming:
    """Plan and checkpoint of one submission. A context manager: the files are gone afterwards.

    Args:
        folder: where the files lie meanwhile.
        header: what opens the stream.
        max_artifact_bytes: neither may be larger.
        publishers: public keys, one of which must have signed the plan; empty asks for no signature.

    Raises:
        ConfigError: a specification that cannot be used.
        ProtocolError: digests or sizes that cannot be.
        PlanError: a signature that does not hold, or none of a publisher where there must be one.
    """

    def __init__(
        self,
        folder: Path,
        header: admin_pb2.SubmitTaskHeader,
        *,
        max_artifact_bytes: int,
        publishers: frozenset[bytes] = frozenset(),
    ) -> None:
        self.spec = TaskSpec.from_proto(header.spec)
        self.plan = _artifact(header.plan, "plan", max_artifact_bytes)
        self.checkpoint = _artifact(header.checkpoint, "checkpoint", max_artifact_bytes)
        self.plan_signatures = tuple(header.plan_signatures)
        check_plan_signatures(self.plan_signatures, self.plan.sha256)
        if publishers and not is_published(self.plan_signatures, publishers, self.plan.sha256):
            raise PlanError("this aggregator takes plans of its publishers only: sign it with `fieldfare plan sign`")
        self._path = folder / f"{secrets.token_hex(8)}.part"
        self._received = 0
        try:
            self._file = self._path.open("x+b")
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror or error}") from error

    def write(self, data: bytes) -> None:
        """The next bytes: the plan's, then the checkpoint's.

        Raises:
            ProtocolError: more than was announced.
            StorageError: they cannot be written.
        """
        self._received += len(data)
        if len(data) > MAX_CHUNK_BYTES or self._received > self.plan.size_bytes + self.checkpoint.size_bytes:
            raise ProtocolError("the submission sends more bytes than its header announced, or chunks above 1 MiB")
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror or error}") from error

    def check(self) -> tuple[bytes, bytes, Manifest]:
        """Plan, checkpoint and the plan's manifest, everything checked against everything.

        Raises:
            ProtocolError: too few bytes, or a digest that does not match.
            PlanError: not a usable plan.
            WeightsError: not a usable checkpoint, or not of this plan.
            ConfigError: a specification that does not go with the plan.
        """
        if self._received != self.plan.size_bytes + self.checkpoint.size_bytes:
            raise ProtocolError(f"the submission ended after {self._received} bytes, before the announced end")
        try:
            self._file.seek(0)
            plan, checkpoint = self._file.read(self.plan.size_bytes), self._file.read()
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error.strerror or error}") from error
        for content, artifact, name in ((plan, self.plan, "plan"), (checkpoint, self.checkpoint, "checkpoint")):
            if hashlib.sha256(content).digest() != artifact.sha256:
                raise ProtocolError(f"the {name} does not match its digest: send it again")
        manifest = read_manifest(plan)
        self.spec.check_against_plan(
            manifest.metric_names, has_gradients=manifest.has_gradients, batch_size=manifest.batch_size
        )
        specs, _ = unpack_weights(checkpoint)
        if specs != manifest.weight_specs:
            raise PlanError("names, shapes and order of the initial weights must be those of the plan")
        return plan, checkpoint, manifest

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _artifact(proto: tensors_pb2.ArtifactRef, name: str, max_bytes: int) -> Artifact:
    if len(proto.sha256) != _DIGEST_BYTES or proto.size_bytes < 1:
        raise ProtocolError(f"the {name} needs a SHA-256 digest and a size")
    if proto.size_bytes > max_bytes:
        raise ConfigError(f"the {name} has {proto.size_bytes} bytes; this aggregator takes {max_bytes} at the most")
    return Artifact(proto.sha256, proto.size_bytes)
