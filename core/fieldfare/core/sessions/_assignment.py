"""An assignment as the device checks and reads it."""

import math
from dataclasses import dataclass
from datetime import timedelta

from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.errors import ConfigError, ProtocolError, UpdateError
from fieldfare.core.signing import MAX_PLAN_SIGNATURES
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.protos.v1 import aggregator_pb2, encoding_pb2, tensors_pb2

MAX_TICKET_BYTES = 4096
_SHA256_BYTES = 32
LONGEST_REPORT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A blob named by its content: SHA-256 (32 bytes) and size in bytes."""

    sha256: bytes
    size_bytes: int

    @property
    def hex(self) -> str:
        """The digest in hexadecimal: file name in caches, name in logs."""
        return self.sha256.hex()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One round's work for this device; the fields are described in `aggregator.proto`.

    Attributes:
        control: for SCAFFOLD; None in its first round, when the server's control variate is zero.
    """

    ticket: bytes
    task_id: str
    round_number: int
    kind: NextRound
    plan: Artifact
    checkpoint_version: int
    checkpoint: Artifact
    local: LocalTrainingSpec
    algorithm: Algorithm
    encoding: encoding_pb2.Encoding
    report_within: timedelta
    max_abs_value: float
    plan_signatures: tuple[aggregator_pb2.PlanSignature, ...] = ()
    max_norm: float = 0.0
    control: Artifact | None = None

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What the work needs, in the order in which it is fetched."""
        return tuple(filter(None, (self.plan, self.checkpoint, self.control)))


def read_assignment(proto: aggregator_pb2.Assignment) -> Assignment:
    """Check and read an assignment, as it came.

    Raises:
        ProtocolError: a field that is missing, out of its bounds, or not known to this version.
    """
    if not 0 < len(proto.ticket) <= MAX_TICKET_BYTES or not 0 < len(proto.task_id) <= 64:  # noqa: PLR2004
        raise ProtocolError("the assignment has no usable ticket or task id")
    if not proto.task_id.isprintable():
        raise ProtocolError("the assignment's task id is not printable")
    try:
        local = LocalTrainingSpec.from_proto(proto.local)
        local.check("local")
        kind, algorithm = NextRound(proto.kind), Algorithm(proto.algorithm)
        encoded_bytes(proto.encoding, 1)
        report_within = proto.report_within.ToTimedelta()
    except (ValueError, OverflowError, UpdateError, ConfigError) as error:
        raise ProtocolError(f"the assignment asks for what this version cannot do: {error}") from error
    if not timedelta(0) < report_within <= LONGEST_REPORT:
        raise ProtocolError("the assignment leaves no time to report, or more than 7 days")
    if not 0 < proto.max_abs_value < math.inf:
        raise ProtocolError("the assignment allows no value to report")
    if not 0 <= proto.max_norm < math.inf:
        raise ProtocolError("the assignment's bound of the norm is no number")
    control = None
    if algorithm is Algorithm.SCAFFOLD and kind is NextRound.TRAINING and proto.HasField("control"):
        control = _artifact(proto.control, "control variate")
    return Assignment(
        ticket=proto.ticket,
        task_id=proto.task_id,
        round_number=proto.round_number,
        kind=kind,
        plan=_artifact(proto.plan, "plan"),
        checkpoint_version=proto.checkpoint_version,
        checkpoint=_artifact(proto.checkpoint, "checkpoint"),
        local=local,
        algorithm=algorithm,
        encoding=proto.encoding,
        report_within=report_within,
        max_abs_value=proto.max_abs_value,
        plan_signatures=tuple(proto.plan_signatures[:MAX_PLAN_SIGNATURES]),
        max_norm=proto.max_norm,
        control=control,
    )


def _artifact(proto: tensors_pb2.ArtifactRef, name: str) -> Artifact:
    if len(proto.sha256) != _SHA256_BYTES or not proto.size_bytes:
        raise ProtocolError(f"the assignment's {name} has no digest, or no size")
    return Artifact(proto.sha256, proto.size_bytes)
