"""The protocol from the device's side, as a generator without sockets, files or clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation import check_norm
from fieldfare.core.encodings import decode_update, encode_update
from fieldfare.core.errors import ProtocolError, TransportError, UpdateError
from fieldfare.core.metrics import metrics_from_proto, metrics_to_proto
from fieldfare.core.sessions._actions import (
    CheckIn,
    Ended,
    FetchArtifact,
    Keep,
    KeptReport,
    Participation,
    Send,
    Session,
    Work,
    WorkResult,
)
from fieldfare.core.sessions._assignment import Assignment, read_assignment
from fieldfare.core.sessions._retrying import RetrySettings, bounded, retrying
from fieldfare.core.sessions._settling import settle
from fieldfare.core.signing import is_published
from fieldfare.core.weights import TensorSpec, specs_to_proto
from fieldfare.core.wording import one_line
from fieldfare.protos.v1 import aggregator_pb2

PROTOCOL_VERSION = 1
DEVICE_ID_BYTES = 16
_DEFAULTS = RetrySettings()


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who checks in.

    Attributes:
        population: the devices that share an app and a kind of example.
        device_id: 16 random bytes of the device's own making.
        capabilities: what the device can do; `protocol_version` is set here.
        publishers: public keys whose plans the device runs; empty for any plan.
    """

    population: str
    device_id: bytes
    capabilities: aggregator_pb2.Capabilities
    publishers: frozenset[bytes] = frozenset()


_UNTRUSTED = "the plan is not signed by a publisher that this device trusts: it was not fetched and not run"


def participate(
    identity: DeviceIdentity,
    weights_of: Callable[[Assignment], tuple[TensorSpec, ...]],
    *,
    kept: KeptReport | None,
    now: Callable[[], datetime],
    uniform: Callable[[], float],
    settings: RetrySettings = _DEFAULTS,
) -> Session:
    """One participation: from check-in, or from a report that is still kept, to a receipt.

    Args:
        identity: who checks in.
        weights_of: after `Work`: specs of the plan's trainable weights, for the report's header.
        kept: a report whose receipt never came; it is settled first, and nothing else is done.
        now: the present, timezone-aware.
        uniform: random numbers in [0, 1).
        settings: retries and bounds.

    Raises (out of the generator):
        ProtocolError: the aggregator does not keep to the protocol.
        FieldfareError: whatever else the shell throws in.
    """
    if kept is not None:
        return (yield from settle(kept, None, now, uniform, settings))
    identity.capabilities.protocol_version = PROTOCOL_VERSION
    request = aggregator_pb2.CheckInRequest(
        population=identity.population, device_id=identity.device_id, capabilities=identity.capabilities
    )
    if settings.wait > timedelta(0):
        request.wait.FromTimedelta(settings.wait)
    try:
        answer: aggregator_pb2.CheckInResponse = yield from retrying(CheckIn(request), uniform, settings)
        if answer.WhichOneof("answer") != "assignment":
            return _come_back(answer)
        assignment = read_assignment(answer.assignment)
        deadline = now() + assignment.report_within
        if why := _refusal(identity, assignment, settings.max_artifact_bytes):
            refusal = WorkResult(aggregator_pb2.OUTCOME_FAILED, detail=why)
            report, _ = _make_report(identity, assignment, deadline, refusal, weights_of)
            return (yield from _withdraw(report, assignment, refusal, uniform, settings))
        for artifact in assignment.artifacts:
            yield from retrying(FetchArtifact(artifact, assignment.ticket), uniform, settings)
    except TransportError as error:
        return Participation(Ended.UNREACHABLE, settings.away(error, uniform()), str(error))
    result: WorkResult = yield Work(assignment, deadline)
    report, result = _make_report(identity, assignment, deadline, result, weights_of)
    if result.outcome != aggregator_pb2.OUTCOME_DONE:
        return (yield from _withdraw(report, assignment, result, uniform, settings))
    yield Keep(report)
    return (yield from settle(report, (assignment, result), now, uniform, settings))


def _refusal(identity: DeviceIdentity, assignment: Assignment, max_bytes: int) -> str:
    """Why this device does not fetch the assignment's artifacts, in words; empty where it does.

    Looked at before a byte of the plan is fetched; the fetched bytes are then held to the digest that was signed.
    """
    publishers = identity.publishers
    if publishers and not is_published(assignment.plan_signatures, publishers, assignment.plan.sha256):
        return _UNTRUSTED
    largest = max(artifact.size_bytes for artifact in assignment.artifacts)
    if largest > max_bytes:
        return f"the task's plan or checkpoint has {largest} bytes, and this device fetches at most {max_bytes}"
    return ""


def _come_back(answer: aggregator_pb2.CheckInResponse) -> Participation:
    if answer.WhichOneof("answer") != "come_back":
        raise ProtocolError(
            f"the aggregator's answer to the check-in is of a kind that version {PROTOCOL_VERSION} of the protocol "
            "does not have: it speaks a newer one; upgrade the SDK"
        )
    return Participation(Ended.IDLE, bounded(answer.come_back.after), one_line(answer.come_back.reason))


def _make_report(
    identity: DeviceIdentity,
    assignment: Assignment,
    deadline: datetime,
    result: WorkResult,
    weights_of: Callable[[Assignment], tuple[TensorSpec, ...]],
) -> tuple[KeptReport, WorkResult]:
    """The report; where the aggregator would refuse the update, the result becomes FAILED and nothing is uploaded."""
    header = aggregator_pb2.ReportHeader(ticket=assignment.ticket, device_id=identity.device_id)
    payload = b""
    try:
        metrics_from_proto(metrics_to_proto(result.metrics or {}))
        if result.vector is not None:
            payload = _encoded(assignment, result.vector)
    except UpdateError as error:
        result, payload = WorkResult(aggregator_pb2.OUTCOME_FAILED, detail=str(error)), b""
    header.outcome = result.outcome
    if result.outcome == aggregator_pb2.OUTCOME_DONE:
        header.example_count = result.example_count
        header.metrics.extend(metrics_to_proto(result.metrics or {}))
        if result.vector is not None:
            header.tensors.extend(specs_to_proto(weights_of(assignment)))
            header.encoding.CopyFrom(assignment.encoding)
            header.payload_bytes = len(payload)
    return KeptReport(header, payload, assignment.task_id, assignment.round_number, deadline), result


def _encoded(assignment: Assignment, vector: NDArray[np.float32]) -> bytes:
    """The payload, held to what the aggregator will hold it to."""
    parts = assignment.algorithm.vectors
    size, rest = divmod(vector.size, parts)
    if rest:
        raise UpdateError("length", f"the update has {vector.size} values, which are not {parts} vectors")
    payload = encode_update(assignment.encoding, vector, parts=parts)
    bound = assignment.max_abs_value
    check_norm(
        decode_update(assignment.encoding, payload, size, max_abs_value=bound, parts=parts),
        assignment.max_norm,
        parts=parts,
    )
    return payload


def _withdraw(
    report: KeptReport,
    assignment: Assignment,
    result: WorkResult,
    uniform: Callable[[], float],
    settings: RetrySettings,
) -> Session:
    """Tell the aggregator that this device gave up, so that its place goes to another at once."""
    try:
        receipt: aggregator_pb2.Receipt = yield from retrying(Send(report), uniform, settings)
        after = bounded(receipt.come_back_after)
    except TransportError as error:
        # Safe: the aggregator learns the same from the deadline.
        after = settings.away(error, uniform())
    return Participation(Ended.WITHDRAWN, after, result.detail, assignment)
