"""One replica's part of a round that several aggregators hold together."""

import math
from dataclasses import dataclass
from datetime import datetime

from fieldfare.core.rounds._round import Decision, Round, RoundState, Verdict
from fieldfare.core.tasks import CohortSpec

_WAIT = Decision(Verdict.WAIT)
_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the other replicas have said last.

    Attributes:
        reported: reports in their snapshots, those of dead replicas included: they are acknowledged.
        working: devices at work for those that live.
        pending: devices whose report one of those holds in memory.
        most_pending: such reports that a single one of them holds.
        counted: devices that are counted in, by whomever.
    """

    reported: int = 0
    working: int = 0
    pending: frozenset[bytes] = frozenset()
    most_pending: int = 0
    counted: frozenset[bytes] = frozenset()


class SharedRound(Round):
    """`Round` where the cohort's places are claimed in blocks from a common store, and the goal counts all replicas.

    A replica can commit what is in all snapshots and in its own memory, but never what is in another's memory. So it
    closes the round early only where no other holds more; what is lost then was not acknowledged, and its devices are
    told LATE.

    Args:
        spec: counts and time limits of the whole round.
        now: when this replica joins.
        selection_ends: the same moment for all replicas that have been there from the beginning.
    """

    def __init__(self, spec: CohortSpec, now: datetime, selection_ends: datetime) -> None:
        super().__init__(spec, now)
        self._selection_ends = selection_ends
        self._granted_at = now
        self._turned_away = False
        self.elsewhere = Elsewhere()
        self.stock = 0

    def learn(self, elsewhere: Elsewhere) -> None:
        """Take in what the others say. Who was counted elsewhere is not at work here any more."""
        self.elsewhere = elsewhere
        for device in elsewhere.counted & self._outstanding.keys():
            del self._outstanding[device]

    def is_acknowledged(self, device: bytes) -> bool:
        """See `Round.is_acknowledged`; by any replica."""
        return device in self.elsewhere.counted or super().is_acknowledged(device)

    def has_report_of(self, device: bytes) -> bool:
        """See `Round.has_report_of`; counted by any replica, or in this one's memory."""
        return device in self.elsewhere.counted or super().has_report_of(device)

    def assign(self, device: bytes, now: datetime) -> datetime | None:
        """See `Round.assign`; takes one place from the stock. None also while another replica holds its report."""
        if device in self.elsewhere.pending:
            return None
        before = self.assigned
        deadline = super().assign(device, now)
        self.stock -= self.assigned - before
        return deadline

    def has_places(self, now: datetime) -> bool:
        """See `Round.has_places`; remembers that places were wanted when there were none."""
        if super().has_places(now):
            return True
        self._turned_away = self._turned_away or self._full
        return False

    def take_back(self, device: bytes) -> None:
        """See `Round.take_back`."""
        before = self.assigned
        super().take_back(device)
        self.stock += before - self.assigned

    def wants_places(self, now: datetime) -> bool:
        """Whether a device was turned away since this was asked last, and may be handed work."""
        wanted, self._turned_away = self._turned_away, False
        return wanted and self._full and now < self._selection_ends and not self.finished

    def grant(self, places: int, now: datetime) -> None:
        """Places were claimed for this replica."""
        self.stock += places
        self._granted_at = now
        self.state = RoundState.SELECTING

    def idle_since(self) -> datetime:
        """When places were granted last: a stock that nobody asks for should go back."""
        return self._granted_at

    def give_back(self) -> None:
        """The stock is for others."""
        self.stock = 0

    def decide(self, now: datetime) -> Decision:
        """See `Round.decide`."""
        self._expire(now)
        if self.finished:
            return _WAIT
        goal, others = self.spec.goal_count, self.elsewhere
        within_reach = self.reported + others.reported
        holds_most = len(self._pending) >= others.most_pending
        if within_reach >= goal:
            return Decision(Verdict.COMMIT)
        if within_reach + len(others.pending) >= goal and within_reach >= self.spec.minimum and holds_most:
            return Decision(Verdict.COMMIT)
        if self.state is RoundState.SELECTING and now < self._selection_ends:
            return _WAIT
        at_work = len(self._outstanding) + others.working
        if at_work and within_reach + len(others.pending) + at_work >= self.spec.minimum:
            self.state = RoundState.COLLECTING
            return _WAIT
        return self._close(now, within_reach, holds_most=holds_most)

    def next_deadline(self) -> datetime | None:
        """See `Round.next_deadline`; None also where only what others say may bring something new."""
        over = self.state is RoundState.COLLECTING and not self._outstanding
        return None if over else super().next_deadline()

    def _close(self, now: datetime, within_reach: int, *, holds_most: bool) -> Decision:
        """Nobody is at work any more, or too few are."""
        others = self.elsewhere
        if not holds_most and self._acknowledged_reports + others.most_pending >= self.spec.minimum:
            # Another replica can commit more than this one could.
            self.state = RoundState.COLLECTING
            return _WAIT
        if within_reach >= self.spec.minimum:
            return Decision(Verdict.COMMIT)
        return self._too_few(now, within_reach + len(others.pending))

    @property
    def _acknowledged_reports(self) -> int:
        return self.elsewhere.reported + len(self._acknowledged)

    @property
    def _full(self) -> bool:
        return self.stock <= 0

    def _close_selection_when_full(self) -> None:
        """An empty stock may be filled again: only time and the goal end the selection."""

    def _too_few(self, now: datetime, in_reach: int) -> Decision:
        if self._acknowledged_reports:
            return self._select_again(now)
        return super()._too_few(now, in_reach)


def block_size(spec: CohortSpec, min_snapshot_updates: int) -> int:
    """Places that a replica claims at a time.

    An eighth of the cohort, but so many that it can expect reports enough for a snapshot: fewer could not be made
    durable before the commit.
    """
    return max(math.ceil(spec.asked / _BLOCKS), math.ceil(min_snapshot_updates * spec.over_selection))
