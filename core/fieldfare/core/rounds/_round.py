"""One round: which devices were asked, which reported, and when it ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fieldfare.core.errors import StateError
from fieldfare.core.rounds._deadlines import Deadlines
from fieldfare.core.tasks import CohortSpec
from fieldfare.protos.v1 import task_pb2


class RoundState(Enum):
    """Where a round stands."""

    SELECTING = task_pb2.ROUND_STATE_SELECTING
    COLLECTING = task_pb2.ROUND_STATE_COLLECTING
    COMMITTED = task_pb2.ROUND_STATE_COMMITTED
    ABANDONED = task_pb2.ROUND_STATE_ABANDONED


class Verdict(Enum):
    """What `decide` found."""

    WAIT = "wait"
    COMMIT = "commit"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict and, for an abandoned round, why."""

    verdict: Verdict
    reason: str = ""


_WAIT = Decision(Verdict.WAIT)


class Round:
    """The state machine of one round on one aggregator. Holds device ids and times, never updates.

    A device is *outstanding* from its assignment to its report, its withdrawal or its deadline. A report is *pending*
    once it was added in memory and *acknowledged* once a snapshot on disk contains it. A round with acknowledged
    reports is never abandoned by a time limit: it asks further devices instead, because a receipt is a promise.

    Args:
        spec: counts and time limits.
        now: when the round begins, or goes on after a restart.
        acknowledged: after a restart, the devices whose reports are on disk.
    """

    def __init__(self, spec: CohortSpec, now: datetime, acknowledged: Iterable[bytes] = ()) -> None:
        self.spec = spec
        self.state = RoundState.SELECTING
        self.withdrawn = 0
        self.refused = 0
        self._selection_ends = now + spec.selection_timeout
        self._outstanding = Deadlines()
        self._pending: set[bytes] = set()
        self._acknowledged: set[bytes] = set(acknowledged)
        self._out: set[bytes] = set()
        self.assigned = len(self._acknowledged)

    @property
    def finished(self) -> bool:
        """Whether the round was committed or abandoned."""
        return self.state in {RoundState.COMMITTED, RoundState.ABANDONED}

    @property
    def reported(self) -> int:
        """Reports that were added, pending or acknowledged."""
        return len(self._pending) + len(self._acknowledged)

    @property
    def outstanding(self) -> int:
        """Devices at work."""
        return len(self._outstanding)

    @property
    def pending(self) -> frozenset[bytes]:
        """Devices whose report is in memory only."""
        return frozenset(self._pending)

    def deadline_of(self, device: bytes) -> datetime | None:
        """Until when the device may report; None where it holds no open assignment."""
        return self._outstanding.get(device)

    def has_given(self, device: bytes) -> bool:
        """Whether `assign` would only repeat what the device was given in this round."""
        return device in self._outstanding

    def has_report_of(self, device: bytes) -> bool:
        """Whether a report of this device was added."""
        return device in self._pending or device in self._acknowledged

    def is_acknowledged(self, device: bytes) -> bool:
        """Whether a report of this device is on disk."""
        return device in self._acknowledged

    def assign(self, device: bytes, now: datetime) -> datetime | None:
        """Hand the round's work to a device.

        Returns:
            The device's deadline, the same one when it asks again; None when the round has no work for it: enough
            devices were asked, or this one has reported, withdrawn or been refused.
        """
        self._expire(now)
        if device in self._outstanding:
            return self._outstanding[device]
        if not self.has_places(now) or self.has_report_of(device) or device in self._out:
            return None
        deadline = now + self.spec.report_timeout
        self._outstanding[device] = deadline
        self.assigned += 1
        self._close_selection_when_full()
        return deadline

    def has_places(self, now: datetime) -> bool:
        """Whether a device that is not in the round yet could be handed its work."""
        return self.state is RoundState.SELECTING and now < self._selection_ends and not self._full

    def take_back(self, device: bytes) -> None:
        """The answer with the assignment never reached the device; its place is free again, for itself too."""
        if self._outstanding.pop(device, None) is not None:
            self.assigned -= 1
            self.state = RoundState.SELECTING

    def adopt(self, device: bytes, deadline: datetime) -> None:
        """Take back an assignment that this process does not remember, known from its ticket."""
        known = self.has_report_of(device) or device in self._out or device in self._outstanding
        if not known and not self.finished:
            self._outstanding[device] = deadline
            self.assigned += 1
            self._close_selection_when_full()

    def add_report(self, device: bytes) -> None:
        """The device's report was added in memory. The caller has checked `has_report_of` and the ticket.

        Raises:
            StateError: the round is over; what was added now would be lost.
        """
        if self.finished:
            raise StateError("the round is over: a report cannot join it")
        self._outstanding.pop(device, None)
        self._pending.add(device)
        self._close_selection_when_full()

    def acknowledge(self, devices: Iterable[bytes]) -> None:
        """A snapshot that contains these devices' reports is on disk."""
        devices = set(devices)
        self._pending -= devices
        self._acknowledged |= devices

    def withdraw(self, device: bytes) -> None:
        """The device gave up by itself; its place is free for another."""
        if self._give_up(device):
            self.withdrawn += 1

    def refuse(self, device: bytes) -> None:
        """The device's report was refused; its place is free for another."""
        if self._give_up(device):
            self.refused += 1

    def decide(self, now: datetime) -> Decision:
        """What to do with the round at this moment. Changes the state from selecting to collecting and back."""
        self._expire(now)
        if self.finished:
            return _WAIT
        if self.reported >= self.spec.goal_count:
            return Decision(Verdict.COMMIT)
        if self.state is RoundState.SELECTING and now < self._selection_ends:
            return _WAIT
        in_reach = self.reported + len(self._outstanding)
        if in_reach < self.spec.minimum:
            return self._too_few(now, in_reach)
        self.state = RoundState.COLLECTING
        return _WAIT if self._outstanding else Decision(Verdict.COMMIT)

    def restart_selection(self, now: datetime) -> None:
        """Give selection its whole time again: the task was paused."""
        if not self.finished:
            self.state = RoundState.SELECTING
            self._selection_ends = now + self.spec.selection_timeout
            self._close_selection_when_full()

    def finish(self, *, committed: bool) -> None:
        """The round was committed or abandoned."""
        self.state = RoundState.COMMITTED if committed else RoundState.ABANDONED
        self._outstanding.clear()

    def next_deadline(self) -> datetime | None:
        """When `decide` may find something new without any call from a device; None for a finished round."""
        if self.finished:
            return None
        earliest = self._outstanding.earliest()
        if earliest is None or self.state is RoundState.SELECTING:
            return min(earliest or self._selection_ends, self._selection_ends)
        return earliest

    def _too_few(self, now: datetime, in_reach: int) -> Decision:
        if self._acknowledged:
            return self._select_again(now)
        return Decision(
            Verdict.ABANDON, f"only {in_reach} of at least {self.spec.minimum} devices reported or were at work"
        )

    def _select_again(self, now: datetime) -> Decision:
        self.state = RoundState.SELECTING
        self._selection_ends = now + self.spec.selection_timeout
        self._out.clear()
        return _WAIT

    def _give_up(self, device: bytes) -> bool:
        if self._outstanding.pop(device, None) is None:
            return False
        self._out.add(device)
        # A place that comes free early is worth another device, as long as selection has not timed out.
        self.state = RoundState.SELECTING
        return True

    def _expire(self, now: datetime) -> None:
        # Safe: at the very deadline too, or a clock that is set to `next_deadline` would find nothing new for ever.
        self._outstanding.expire(now)

    @property
    def _full(self) -> bool:
        return self.reported + len(self._outstanding) >= self.spec.asked

    def _close_selection_when_full(self) -> None:
        if self._full and self.state is RoundState.SELECTING:
            self.state = RoundState.COLLECTING
