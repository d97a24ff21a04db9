"""What is known of a task's rounds, and the figures that follow from it: rates, time left, trends."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from fieldfare.protos.v1 import task_pb2

OVER = frozenset({task_pb2.ROUND_STATE_COMMITTED, task_pb2.ROUND_STATE_ABANDONED})
_KEPT = 1000
_RECENT = 10
_BARS = "▁▂▃▄▅▆▇█"
_Round = task_pb2.RoundStatus


class History:
    """The newest rounds of a task, as they come in piece by piece."""

    def __init__(self) -> None:
        self._rounds: dict[int, _Round] = {}

    @property
    def settled(self) -> int:
        """All rounds up to this number are over: only later ones need to be asked for."""
        number = min((one.number for one in self._rounds.values() if one.state not in OVER), default=0) - 1
        return number if number >= 0 else max(self._rounds, default=0)

    def add(self, rounds: Iterable[_Round]) -> list[_Round]:
        """Take new states in; returns the rounds that ended since the last time, oldest first."""
        ended = []
        for one in rounds:
            before = self._rounds.get(one.number)
            self._rounds[one.number] = one
            if one.state in OVER and (before is None or before.state not in OVER):
                ended.append(one)
        for number in sorted(self._rounds)[:-_KEPT]:
            del self._rounds[number]
        return ended

    def newest(self, count: int) -> list[_Round]:
        """The newest rounds, oldest of them first."""
        return [self._rounds[number] for number in sorted(self._rounds)[-count:]]

    @property
    def open(self) -> list[_Round]:
        """Rounds that are not over."""
        return [one for one in self.newest(_KEPT) if one.state not in OVER]

    def committed(self, kind: int) -> list[_Round]:
        """Committed rounds of a kind, oldest first."""
        return [
            one
            for one in self.newest(_KEPT)
            if one.kind == kind and one.state == task_pb2.ROUND_STATE_COMMITTED and one.HasField("ended_at")
        ]

    def seconds_a_round(self, kind: int) -> float | None:
        """From one commit to the next, over the newest few; None while there are fewer than two."""
        ends = [_moment(one.ended_at) for one in self.committed(kind)[-_RECENT - 1 :]]
        return None if ends[1:] == [] else (ends[-1] - ends[0]).total_seconds() / (len(ends) - 1)

    def per_minute(self) -> tuple[float, float] | None:
        """Counted reports, and bytes up, a minute over the newest committed rounds; None where they took no time."""
        rounds = [one for one in self.newest(_RECENT) if one.state in OVER and one.HasField("ended_at")]
        if not rounds:
            return None
        took = max(_moment(one.ended_at) for one in rounds) - min(_moment(one.started_at) for one in rounds)
        minutes = took / timedelta(minutes=1)
        if minutes <= 0:
            return None
        return sum(one.reported for one in rounds) / minutes, sum(one.bytes_up for one in rounds) / minutes


def means(rounds: Sequence[_Round]) -> dict[str, list[float]]:
    """By metric, its mean in each of the rounds that have it."""
    found: dict[str, list[float]] = {}
    for one in rounds:
        for metric in one.metrics:
            if metric.weight:
                found.setdefault(metric.name, []).append(metric.sum / metric.weight)
    return found


def trend(values: Sequence[float], width: int = 20) -> str:
    """The newest values as a row of bars, from the least to the largest of them."""
    shown = values[-width:]
    least, largest = min(shown), max(shown)
    if largest <= least:
        return _BARS[3] * len(shown)
    return "".join(_BARS[round((value - least) / (largest - least) * (len(_BARS) - 1))] for value in shown)


def duration_text(seconds: float) -> str:
    """Such as "45 s", "12 min", "3 h 20 min"."""
    if seconds < 100:  # noqa: PLR2004 - up to here, seconds say more
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _moment(stamp: object) -> datetime:
    moment: datetime = stamp.ToDatetime()  # type: ignore[attr-defined]
    return moment
