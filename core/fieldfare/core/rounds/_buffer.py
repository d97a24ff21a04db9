"""One buffer of a buffered-asynchronous task (FedBuff, Nguyen et al. 2022, algorithm 2)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from fieldfare.core.rounds._round import Decision, Round, RoundState, Verdict
from fieldfare.core.tasks import CohortSpec

_WAIT = Decision(Verdict.WAIT)


class Buffer(Round):
    """A round that takes in reports of assignments from earlier rounds too, and never stops asking devices.

    Up to `concurrency` devices are at work at the same time, those that were asked in earlier buffers included. In one
    buffer a device is asked once and counts once. The buffer commits with `spec.goal_count` reports; once
    `spec.selection_timeout` has passed, as soon as it has `spec.minimum`. It is never abandoned by a time limit: that
    would gain nothing, since devices at work in it belong to the next one anyway.

    Args:
        spec: counts and time limits; `over_selection` is not used.
        now: when the buffer begins, or goes on after a restart.
        concurrency: devices at work at the most.
        acknowledged: after a restart, the devices whose reports are on disk.
    """

    def __init__(self, spec: CohortSpec, now: datetime, concurrency: int, acknowledged: Iterable[bytes] = ()) -> None:
        super().__init__(spec, now, acknowledged)
        self._concurrency = concurrency
        self._overdue = False
        self._asked: set[bytes] = set()

    def carry(self, working: Mapping[bytes, datetime]) -> None:
        """Devices that were asked in earlier buffers, and their deadlines."""
        self._outstanding.update(working)

    def working(self) -> dict[bytes, datetime]:
        """Devices at work and their deadlines: what the next buffer carries on."""
        return dict(self._outstanding)

    def has_given(self, device: bytes) -> bool:
        """See `Round.has_given`; not what it was given in an earlier buffer."""
        return device in self._asked and super().has_given(device)

    def assign(self, device: bytes, now: datetime) -> datetime | None:
        """Hand the newest checkpoint to a device.

        Returns:
            The device's deadline, the same one when it asks again in this buffer. A device that was asked in an earlier
            one has given that up, and gets new work in the same place. None: it has reported, withdrawn or been refused
            in this buffer, or enough devices are at work.
        """
        self._expire(now)
        if self.has_given(device):
            return self._outstanding[device]
        working = device in self._outstanding
        if self.has_report_of(device) or device in self._out or not (working or self.has_places(now)):
            return None
        deadline = now + self.spec.report_timeout
        self._outstanding[device] = deadline
        self._asked.add(device)
        self.assigned += 1
        return deadline

    def has_places(self, now: datetime) -> bool:
        """Whether another device could be put to work."""
        self._expire(now)
        return not self.finished and len(self._outstanding) < self._concurrency

    def decide(self, now: datetime) -> Decision:
        """Commit, or wait."""
        self._expire(now)
        if self.finished:
            return _WAIT
        self._overdue = self._overdue or now >= self._selection_ends
        enough = self.spec.minimum if self._overdue else self.spec.goal_count
        return Decision(Verdict.COMMIT) if self.reported >= enough else _WAIT

    def restart_selection(self, now: datetime) -> None:
        """The task was paused: give the goal its whole time again."""
        super().restart_selection(now)
        self._overdue = False

    def next_deadline(self) -> datetime | None:
        """When `decide` may find something new without any call from a device."""
        if self.finished:
            return None
        earliest = self._outstanding.earliest()
        if self._overdue:
            return earliest
        return min(earliest or self._selection_ends, self._selection_ends)

    @property
    def _full(self) -> bool:
        # Safe: a buffer is open to further devices until its end.
        return self.state is not RoundState.SELECTING
