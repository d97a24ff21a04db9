"""Figures as people read them."""

from datetime import timedelta

from fieldfare.core.metrics import LOSS
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import NextRound
from fieldfare.sdk.ledger import Ledger, LedgerKind
from fieldfare.sdk.store import StoreLimits

_STEP = 1000
_MINUTE = 60


def bytes_words(size: int) -> str:
    """Such as "812 bytes", "12.3 kB", "4.0 MB"."""
    if size < _STEP:
        return f"{size} bytes"
    value, units = float(size), ["kB", "MB", "GB", "TB"]
    while True:
        value /= _STEP
        unit = units.pop(0)
        if value < _STEP or not units:
            return f"{value:.1f} {unit}"


def seconds_words(duration: timedelta) -> str:
    """Such as "2.0 s", "5 min"."""
    seconds = duration.total_seconds()
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def limits_words(limits: StoreLimits) -> str:
    """Such as "100 examples, 5.0 MB, 30 days at most"; nothing where there is no limit."""
    parts = []
    if limits.max_examples is not None:
        parts.append(f"{limits.max_examples} examples")
    if limits.max_bytes is not None:
        parts.append(bytes_words(limits.max_bytes))
    if limits.max_age is not None:
        parts.append(f"{limits.max_age / timedelta(days=1):g} days")
    return f"{', '.join(parts)} at most" if parts else ""


def participation_line(participation: Participation, ledger: Ledger) -> str:
    """What happened, in one line."""
    assignment = participation.assignment
    again = f"again in {seconds_words(participation.come_back_after)}"
    reason = f": {participation.detail}" if participation.detail else ""
    if participation.ended is Ended.STOPPED:
        return participation.detail
    if assignment is None:
        if participation.ended in {Ended.IDLE, Ended.UNREACHABLE}:
            return f"{participation.ended.value}{reason}; {again}"
        return f"the report that was kept is settled: {participation.ended.value}{reason}"
    head = f"round {assignment.round_number} of task {assignment.task_id}"
    if participation.ended is Ended.WITHDRAWN:
        return f"{head}: gave up{reason}"
    parts = [_work(participation)]
    if assignment.kind is NextRound.TRAINING:
        task, number = assignment.task_id, assignment.round_number
        sent = ledger.last_bytes(LedgerKind.UPDATE, task=task, round_number=number)
        parts.append(f"update of {bytes_words(sent)} {_FATE[participation.ended]}{reason}")
    else:
        parts.append(f"metrics {_FATE[participation.ended]}{reason}")
    return f"{head}: {', '.join(parts)}"


_FATE = {
    Ended.IDLE: "not sent",
    Ended.COUNTED: "counted",
    Ended.LATE: "came too late",
    Ended.REFUSED: "refused",
    Ended.WITHDRAWN: "not sent",
    Ended.UNREACHABLE: "kept until the aggregator can be reached",
}


def _work(participation: Participation) -> str:
    metrics = dict(participation.metrics or {})
    loss = metrics.pop(LOSS, None)
    training = participation.assignment is not None and participation.assignment.kind is NextRound.TRAINING
    verb = "trained" if training else "evaluated"
    if loss is None:
        return verb
    figures = [f"loss {loss.mean:.4g}", *(f"{name} {one.mean:.4g}" for name, one in sorted(metrics.items()))]
    return f"{verb} on {loss.weight:.0f} examples, {', '.join(figures)}"
