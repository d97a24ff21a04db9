"""The protocol from the device's side, as a generator without sockets, files or clocks."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration
from numpy.typing import NDArray

from fieldfare.core.aggregation import check_norm
from fieldfare.core.encodings import count_vectors, decode_update, encode_update
from fieldfare.core.errors import ProtocolError, TransportError, UpdateError
from fieldfare.core.metrics import metrics_from_proto, metrics_to_proto
from fieldfare.core.sessions._actions import (
    Action,
    AskReceipt,
    CheckIn,
    Ended,
    FetchArtifact,
    Forget,
    Keep,
    KeepControl,
    KeptReport,
    Participation,
    Send,
    Wait,
    Work,
    WorkResult,
)
from fieldfare.core.sessions._assignment import Assignment, read_assignment
from fieldfare.core.signing import is_published
from fieldfare.core.weights import TensorSpec, specs_from_proto, specs_to_proto, total_size
from fieldfare.protos.v1 import aggregator_pb2

PROTOCOL_VERSION = 1
DEVICE_ID_BYTES = 16
_SHORTEST_WAIT = timedelta(milliseconds=10)
_MAX_COME_BACK = timedelta(days=1)


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


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How a session meets failing calls: exponential back-off with jitter, a bounded number of tries for each call.

    Attributes:
        tries: calls made before the session ends as unreachable; a kept report stays kept.
        first: wait after the first failure; doubles from there.
        longest: no wait is longer.
        max_artifact_bytes: the device refuses to fetch more than this for one artifact.
        longest_pending: how long a session waits for one receipt before it ends; the report stays kept.
        wait: how long the aggregator may hold a check-in open while it has no work yet; zero for not at all.
    """

    tries: int = 6
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    max_artifact_bytes: int = 2**30
    longest_pending: timedelta = timedelta(hours=1)
    wait: timedelta = timedelta(seconds=20)

    def back_off(self, failures: int, uniform: float) -> timedelta:
        """The wait after so many failures in a row: between a half and the whole of the doubled interval."""
        return min(self.first * 2.0 ** min(failures - 1, 30), self.longest) * (0.5 + uniform / 2)


_UNTRUSTED = "the plan is not signed by a publisher that this device trusts: it was not fetched and not run"

Session = Generator[Action, Any, Participation]
"""Yields actions, is sent their results (or thrown their `TransportError`), returns a `Participation`."""


def participate(
    identity: DeviceIdentity,
    weights_of: Callable[[Assignment], tuple[TensorSpec, ...]],
    *,
    kept: KeptReport | None,
    now: Callable[[], datetime],
    uniform: Callable[[], float],
    settings: RetrySettings = RetrySettings(),
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
        return (yield from _settle(kept, None, now, uniform, settings))
    identity.capabilities.protocol_version = PROTOCOL_VERSION
    request = aggregator_pb2.CheckInRequest(
        population=identity.population, device_id=identity.device_id, capabilities=identity.capabilities
    )
    if settings.wait > timedelta(0):
        request.wait.FromTimedelta(settings.wait)
    try:
        answer: aggregator_pb2.CheckInResponse = yield from _retrying(CheckIn(request), uniform, settings)
        if answer.WhichOneof("answer") != "assignment":
            return _come_back(answer)
        assignment = read_assignment(answer.assignment, max_artifact_bytes=settings.max_artifact_bytes)
        if not _is_trusted(identity, assignment):
            refusal = WorkResult(aggregator_pb2.OUTCOME_FAILED, detail=_UNTRUSTED)
            report, _ = _make_report(identity, assignment, refusal, weights_of)
            return (yield from _withdraw(report, assignment, refusal, uniform, settings))
        deadline = now() + assignment.report_within
        for artifact in filter(None, (assignment.plan, assignment.checkpoint, assignment.control)):
            yield from _retrying(FetchArtifact(artifact, assignment.ticket), uniform, settings)
    except TransportError as error:
        return Participation(Ended.UNREACHABLE, settings.back_off(settings.tries, uniform()), str(error))
    result: WorkResult = yield Work(assignment, deadline)
    report, result = _make_report(identity, assignment, result, weights_of)
    if result.outcome != aggregator_pb2.OUTCOME_DONE:
        return (yield from _withdraw(report, assignment, result, uniform, settings))
    yield Keep(report)
    return (yield from _settle(report, (assignment, result), now, uniform, settings))


def _is_trusted(identity: DeviceIdentity, assignment: Assignment) -> bool:
    """Looked at before a byte of the plan is fetched; the fetched bytes are then held to the digest that was signed."""
    publishers = identity.publishers
    return not publishers or is_published(assignment.plan_signatures, publishers, assignment.plan.sha256)


def _come_back(answer: aggregator_pb2.CheckInResponse) -> Participation:
    if answer.WhichOneof("answer") != "come_back":
        raise ProtocolError("the aggregator's answer to the check-in is empty: it speaks a newer protocol; upgrade")
    return Participation(Ended.IDLE, _bounded(answer.come_back.after), answer.come_back.reason)


def _make_report(
    identity: DeviceIdentity,
    assignment: Assignment,
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
    return KeptReport(header, payload, assignment.task_id, assignment.round_number), result


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
        receipt: aggregator_pb2.Receipt = yield from _retrying(Send(report), uniform, settings)
        after = _delay_of(receipt)
    except TransportError:
        # Safe: the aggregator learns the same from the deadline.
        after = settings.back_off(settings.tries, uniform())
    return Participation(Ended.WITHDRAWN, after, result.detail, assignment)


def _settle(
    report: KeptReport,
    done: tuple[Assignment, WorkResult] | None,
    now: Callable[[], datetime],
    uniform: Callable[[], float],
    settings: RetrySettings,
) -> Session:
    """Send a kept report, and send or ask again, until it is counted, refused, or the aggregator stays away."""
    assignment, metrics = (done[0], done[1].metrics) if done is not None else (None, None)
    give_up = now() + settings.longest_pending
    # A fresh report is sent; an older one may have arrived already: ask first, that costs no payload.
    action: Send | AskReceipt = Send(report) if done is not None else AskReceipt(report)
    while True:
        try:
            receipt: aggregator_pb2.Receipt = yield from _retrying(action, uniform, settings)
        except TransportError as error:
            after = settings.back_off(settings.tries, uniform())
            return Participation(Ended.UNREACHABLE, after, str(error), assignment, metrics)
        status = receipt.status
        if status in _FINAL:
            delta = _control_delta(report) if _FINAL[status] is Ended.COUNTED else None
            if delta is not None:
                yield KeepControl(report.task_id, report.round_number, delta)
            yield Forget()
            return Participation(_FINAL[status], _delay_of(receipt), receipt.detail, assignment, metrics)
        if now() >= give_up:
            return Participation(Ended.UNREACHABLE, _delay_of(receipt), "no receipt yet", assignment, metrics)
        # Safe: the last question is asked at `give_up`, however long the aggregator would have the device wait.
        wait = min(_delay_of(receipt), max(give_up - now(), _SHORTEST_WAIT))
        if status == aggregator_pb2.RECEIPT_STATUS_PENDING:
            yield Wait(wait, "the report is in; its receipt waits for more devices")
            action = AskReceipt(report)
        elif status == aggregator_pb2.RECEIPT_STATUS_UNKNOWN:
            if isinstance(action, Send):
                yield Wait(wait, "the aggregator asks for the report again")
            action = Send(report)
        else:
            raise ProtocolError(f"the receipt has the status {status}, which this version does not know; upgrade")


def _control_delta(report: KeptReport) -> NDArray[np.float32] | None:
    """The second vector of a report that has two."""
    if not report.payload:
        return None
    encoding, size = report.header.encoding, total_size(specs_from_proto(report.header.tensors))
    if count_vectors(encoding, len(report.payload), size) == 1:
        return None
    return decode_update(encoding, report.payload, size, max_abs_value=math.inf, parts=2)[size:]


_FINAL = {
    aggregator_pb2.RECEIPT_STATUS_ACCEPTED: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_DUPLICATE: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_LATE: Ended.LATE,
    aggregator_pb2.RECEIPT_STATUS_INVALID: Ended.REFUSED,
}


def _retrying(action: Action, uniform: Callable[[], float], settings: RetrySettings) -> Generator[Action, Any, Any]:
    """Yield the action until it succeeds; after a retryable failure wait and try again, `tries` times in all."""
    failures = 0
    while True:
        try:
            return (yield action)
        except TransportError as error:
            failures += 1
            if not error.retryable or failures >= settings.tries:
                raise
            reason = str(error)
        yield Wait(settings.back_off(failures, uniform()), reason)


def _delay_of(receipt: aggregator_pb2.Receipt) -> timedelta:
    return _bounded(receipt.come_back_after)


def _bounded(proto: Duration) -> timedelta:
    # Safe: an aggregator, or who poses as one, can neither make a device spin nor put it away for good; the seconds are
    # cut before they become a timedelta, which not all of them fit.
    seconds = min(max(proto.seconds, 0), _MAX_COME_BACK // timedelta(seconds=1))
    delay = timedelta(seconds=seconds, microseconds=proto.nanos // 1000)
    return min(max(delay, _SHORTEST_WAIT), _MAX_COME_BACK)
