"""A kept report, until its receipt says what became of it."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.encodings import count_vectors, decode_update
from fieldfare.core.errors import ProtocolError, TransportError
from fieldfare.core.sessions._actions import (
    AskReceipt,
    Ended,
    Forget,
    KeepControl,
    KeptReport,
    Participation,
    Send,
    Session,
    Wait,
    WorkResult,
)
from fieldfare.core.sessions._assignment import LONGEST_REPORT, Assignment
from fieldfare.core.sessions._retrying import SHORTEST_WAIT, RetrySettings, bounded, retrying
from fieldfare.core.weights import specs_from_proto, total_size
from fieldfare.core.wording import one_line
from fieldfare.protos.v1 import aggregator_pb2

_FINAL = {
    aggregator_pb2.RECEIPT_STATUS_ACCEPTED: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_DUPLICATE: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_LATE: Ended.LATE,
    aggregator_pb2.RECEIPT_STATUS_INVALID: Ended.REFUSED,
}


def settle(
    report: KeptReport,
    done: tuple[Assignment, WorkResult] | None,
    now: Callable[[], datetime],
    uniform: Callable[[], float],
    settings: RetrySettings,
) -> Session:
    """Send a kept report, and send or ask again, until it is counted, refused, or the aggregator stays away.

    Args:
        report: is on the device's disk.
        done: the work behind it, where it was done in this session.
        now: the present, timezone-aware.
        uniform: random numbers in [0, 1).
        settings: retries and bounds.
    """
    assignment, metrics = (done[0], done[1].measured) if done is not None else (None, None)
    give_up = now() + settings.longest_pending
    # A fresh report is sent; an older one may have arrived already: ask first, that costs no payload.
    action: Send | AskReceipt = Send(report) if done is not None else AskReceipt(report)
    sent = 0
    while True:
        sent += isinstance(action, Send)
        try:
            receipt: aggregator_pb2.Receipt = yield from retrying(action, uniform, settings)
        except TransportError as error:
            after = settings.away(error, uniform())
            if error.retryable or not _time_is_over(report, now()):
                return Participation(Ended.UNREACHABLE, after, str(error), assignment, metrics)
            yield Forget()
            detail = f"the report is dropped, its time is over and it is not to be settled: {error}"
            return Participation(Ended.REFUSED, after, detail, assignment, metrics)
        status = receipt.status
        if status in _FINAL:
            delta = _control_delta(report) if _FINAL[status] is Ended.COUNTED else None
            if delta is not None:
                yield KeepControl(report.task_id, report.round_number, delta)
            yield Forget()
            after, detail = bounded(receipt.come_back_after), one_line(receipt.detail)
            return Participation(_FINAL[status], after, detail, assignment, metrics)
        if now() >= give_up or (status == aggregator_pb2.RECEIPT_STATUS_UNKNOWN and sent >= settings.tries):
            after = bounded(receipt.come_back_after)
            return Participation(Ended.UNREACHABLE, after, "no receipt yet", assignment, metrics)
        # Safe: the last question is asked at `give_up`, however long the aggregator would have the device wait.
        wait = min(bounded(receipt.come_back_after), max(give_up - now(), SHORTEST_WAIT))
        if status == aggregator_pb2.RECEIPT_STATUS_PENDING:
            yield Wait(wait, "the report is in; its receipt waits for more devices")
            action = AskReceipt(report)
        elif status == aggregator_pb2.RECEIPT_STATUS_UNKNOWN:
            if isinstance(action, Send):
                yield Wait(wait, "the aggregator asks for the report again")
            action = Send(report)
        else:
            raise ProtocolError(f"the receipt has the status {status}, which this version does not know; upgrade")


def _time_is_over(report: KeptReport, now: datetime) -> bool:
    """Whether no aggregator takes the report any more, unless it has it already: its time, or the clock, has passed.

    A time that lies further ahead than any assignment reaches was read off another clock than today's.
    """
    return not timedelta(0) < report.report_by - now <= LONGEST_REPORT


def _control_delta(report: KeptReport) -> NDArray[np.float32] | None:
    """The second vector of a report that has two."""
    if not report.payload:
        return None
    encoding, size = report.header.encoding, total_size(specs_from_proto(report.header.tensors))
    if count_vectors(encoding, len(report.payload), size) == 1:
        return None
    return decode_update(encoding, report.payload, size, max_abs_value=math.inf, parts=2)[size:]
