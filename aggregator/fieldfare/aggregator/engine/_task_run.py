"""A running task in memory: who is at work, whose report is in, what comes next. Never waits for storage."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from fieldfare.aggregator.engine._accumulator import Contribution
from fieldfare.aggregator.engine._answers import Grant, Held, Standing
from fieldfare.aggregator.engine._last_counted import LastCounted
from fieldfare.aggregator.engine._open_round import OpenRound
from fieldfare.aggregator.engine._standings import standing_in, standing_later, takes
from fieldfare.aggregator.engine._strays import Strays
from fieldfare.aggregator.engine._versions import Versions
from fieldfare.aggregator.storage import CheckpointRecord, RoundRecord, TaskRecord
from fieldfare.core.aggregation import ReportRules
from fieldfare.core.encodings import stage_names
from fieldfare.core.errors import StateError, UpdateError
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import Buffer, Decision, Elsewhere, Ticket, Verdict
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import Algorithm, NextRound, TaskProgress, TaskSpec, TaskState, unfit
from fieldfare.protos.v1 import aggregator_pb2

_WAIT = Decision(Verdict.WAIT)
_MOST_DAMAGED = 3


class TaskRun:
    """One task that is running or paused.

    Two locks, never taken in the other order: `persisting` is held through flush, commit and control, and may wait for
    disks; `_lock` guards the fields and is held for moments only.

    Args:
        record: the task's row.
        spec: what was asked for.
        manifest: of its plan.
        checkpoint: the newest one.
        progress: what has been committed.
        next_number: number of the next round.
    """

    def __init__(
        self,
        record: TaskRecord,
        spec: TaskSpec,
        manifest: Manifest,
        checkpoint: CheckpointRecord,
        progress: TaskProgress,
        next_number: int,
    ) -> None:
        self.record = record
        self.spec = spec
        self.manifest = manifest
        self.checkpoint = checkpoint
        self.progress = progress
        self.next_number = next_number
        self.stages = frozenset(stage_names(spec.encoding))
        self.persisting = threading.RLock()
        self.replaced = False
        self._lock = threading.Lock()
        self._open: OpenRound | None = None
        self._strays = Strays()
        self._last_counted = LastCounted(spec.eligibility.min_separation)
        self.versions = Versions(spec)
        self._carried: dict[bytes, datetime] = {}
        # The last round that is over: its number, and the devices that it counted with the rounds of their assignments.
        self._last: tuple[int, dict[bytes, int]] = (0, {})

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.record.task_id

    @property
    def scaffold(self) -> bool:
        """Whether devices and server keep control variates."""
        return self.spec.aggregation.algorithm is Algorithm.SCAFFOLD

    @property
    def control(self) -> Artifact | None:
        """SCAFFOLD: the server's control variate, the whole state of its optimiser; None while it is zero."""
        return self.checkpoint.optimizer_state if self.scaffold else None

    @property
    def state(self) -> TaskState:
        """The task's state."""
        return self.record.state

    @property
    def open(self) -> OpenRound | None:
        """The round that is under way."""
        return self._open

    def rules(self, kind: NextRound) -> ReportRules:
        """What reports of a round of this kind must keep to."""
        return ReportRules(self.spec, self.manifest.weight_specs, self.manifest.metric_names, kind.value)

    # What devices bring about.

    def holds(self, device: bytes) -> bool:
        """Whether the device is at work for this task."""
        with self._lock:
            return self._open is not None and self._open.machine.deadline_of(device) is not None

    def assign(self, device: bytes, now: datetime) -> Grant | None:
        """Hand out the open round's work; None where there is none for this device."""
        with self._lock:
            if self._open is None:
                return None
            machine = self._open.machine
            if self.state is not TaskState.RUNNING and not machine.has_given(device):
                return None
            deadline = machine.assign(device, now)
            return None if deadline is None or deadline <= now else Grant(self._open, deadline)

    def unfit(self, request: aggregator_pb2.CheckInRequest, now: datetime) -> str | None:
        """Why the task has no work for this device, whatever its round; None where it may have some."""
        eligibility = self.spec.eligibility
        why = unfit(eligibility, self.spec.aggregation.algorithm, self.stages, request.capabilities)
        if why is None and eligibility.min_separation:
            with self._lock:
                too_soon = self._last_counted.is_too_soon(request.device_id, now)
            if too_soon:
                return f"it counted a report of it less than {eligibility.min_separation} ago"
        return why

    def has_places(self, now: datetime) -> bool:
        """Whether a device that is not at work yet could be handed something."""
        with self._lock:
            return self._open is not None and self.state is TaskState.RUNNING and self._open.machine.has_places(now)

    def take_back(self, ticket: Ticket) -> None:
        """The assignment never reached its device."""
        with self._lock:
            current = self._open
            if current is not None and current.number == ticket.round_number:
                current.machine.take_back(ticket.device_id)

    def carry(self, ticket: Ticket) -> None:
        """A device is at work for an earlier buffer."""
        with self._lock:
            if self._open is not None and isinstance(self._open.machine, Buffer):
                self._open.machine.carry({ticket.device_id: ticket.report_by})
            elif self.versions.counts_later(ticket):
                self._carried[ticket.device_id] = ticket.report_by

    def standing(self, ticket: Ticket) -> Standing:
        """What memory knows of the ticket's report."""
        with self._lock:
            if (found := standing_in(self._open, ticket)) is not None:
                return found
            number, devices = self._last
            if devices.get(ticket.device_id) == ticket.round_number:
                return Standing.COUNTED
            if self.versions.counts_later(ticket) or number != ticket.round_number:
                return Standing.UNSURE
            return Standing.GONE

    def standing_uncounted(self, ticket: Ticket) -> Standing:
        """The same for a report that, as storage has said meanwhile, no round has counted that was over by then."""
        with self._lock:
            found = standing_in(self._open, ticket)
            if found is None:
                found = standing_later(self._open, ticket, self.versions, self.checkpoint.version)
            return found

    def enter(self, ticket: Ticket) -> OpenRound | None:
        """The open round into which the ticket's report counts; None where there is none, or where it has this report.

        Raises:
            UpdateError: this device withdrew from the round or was refused in it.
        """
        with self._lock:
            current = self._open
            if current is None or current.record.kind.value != ticket.kind or not takes(current, ticket, self.versions):
                return None
            if current.machine.has_report_of(ticket.device_id):
                # Another copy was faster, here or at another replica, since the caller has asked what is known of it.
                return None
            current.machine.adopt(ticket.device_id, ticket.report_by)
            if current.machine.deadline_of(ticket.device_id) is None:
                raise UpdateError("out", "this device has withdrawn from the round or was refused in it")
            return current

    def add(self, current: OpenRound, contribution: Contribution, assigned: int) -> bool:
        """Add a report if the round is still the open one and the device is not in it yet.

        Args:
            current: the round.
            contribution: what to add.
            assigned: the round of the device's assignment.
        """

        def admit() -> bool:
            with self._lock:
                return self._open is current and not current.machine.has_report_of(contribution.device)

        def added() -> None:
            with self._lock:
                # The task may have been cancelled while the sum grew: then nobody reads that sum any more.
                if not current.machine.finished:
                    current.machine.add_report(contribution.device)
                    if assigned != current.number:
                        current.earlier[contribution.device] = assigned

        return current.accumulator.add(contribution, admit, added)

    def withdraw(self, current: OpenRound, device: bytes) -> None:
        """The device gave up by itself."""
        with self._lock:
            current.machine.withdraw(device)

    def may_send_again(self, current: OpenRound, device: bytes) -> bool:
        """A report of the device came damaged, as a bad link may leave it: whether another copy is taken."""
        with self._lock:
            current.damaged[device] += 1
            return current.damaged[device] < _MOST_DAMAGED

    def refuse(self, current: OpenRound, device: bytes, reason: str) -> None:
        """A report of the device was refused; `reason` is its short name."""
        with self._lock:
            current.machine.refuse(device)
            current.refusals[reason] += 1

    def count_stray(self, round_number: int, *, late: bool) -> None:
        """A report came too late, or was counted already."""
        with self._lock:
            if self._open is None or self._open.number != round_number:
                self._strays.count(round_number, late=late)
            elif late:
                self._open.late += 1
            else:
                self._open.duplicates += 1

    def count_download(self, round_number: int, nbytes: int) -> None:
        """So many bytes of an artifact went out under a ticket of this round."""
        with self._lock:
            # Safe: of buffers, the open one stands for all.
            buffered = self._open is not None and isinstance(self._open.machine, Buffer)
            if self._open is not None and (buffered or self._open.number == round_number):
                self._open.bytes_down += nbytes

    # What the keeper brings about; it holds `persisting`.

    def take_strays(self) -> list[tuple[int, int, int]]:
        """Number, late and duplicate reports of each round that is over, since this was asked last."""
        with self._lock:
            return self._strays.take()

    def remember(self, counted_at: Mapping[bytes, datetime], now: datetime) -> None:
        """When devices were counted, as far as `min_separation` asks for it."""
        with self._lock:
            self._last_counted.remember(counted_at, now)

    def decide(self, now: datetime) -> Decision:
        """What to do with the open round. A pause stops its clock, not its reports."""
        with self._lock:
            if self._open is None:
                return _WAIT
            machine = self._open.machine
            if self.state is TaskState.PAUSED:
                return Decision(Verdict.COMMIT) if machine.reported >= machine.spec.goal_count else _WAIT
            return machine.decide(now)

    def begin(self, current: OpenRound) -> None:
        """The round is on disk: devices may be asked."""
        if current.record.kind is NextRound.TRAINING:
            current.control = self.control
        with self._lock:
            self.versions.begin([current.record])
            if isinstance(current.machine, Buffer):
                current.machine.carry(self._carried)
                self._carried = {}
            self._open = current
            self.next_number = current.number + 1

    def row(self, current: OpenRound) -> RoundRecord:
        """The round's row with its present counts."""
        with self._lock:
            return current.row()

    def pending(self, current: OpenRound) -> int:
        """Reports that no snapshot holds yet."""
        with self._lock:
            return len(current.machine.pending)

    def acknowledge(self, current: OpenRound, devices: frozenset[bytes], record: RoundRecord) -> None:
        """A snapshot with these devices is on disk."""
        with self._lock:
            current.machine.acknowledge(devices)
            current.record = record

    def finish(self, current: OpenRound, *, devices: frozenset[bytes] | None) -> None:
        """The round is over on disk: committed with these devices, or abandoned."""
        with self._lock:
            if devices is not None:
                current.machine.acknowledge(devices)
            if isinstance(current.machine, Buffer):
                self._carried = current.machine.working()
            current.machine.finish(committed=devices is not None)
            counted = devices or frozenset()
            # Where others have counted devices too, only the data base knows all of them.
            number = current.number if current.shared is None else 0
            self._last = (number, {one: current.earlier.get(one, current.number) for one in counted})
            self._open = None
        current.accumulator.release()

    def change(self, state: TaskState, reason: str, now: datetime) -> None:
        """The task's new state is on disk."""
        over = None
        with self._lock:
            resumed = self.state is TaskState.PAUSED and state is TaskState.RUNNING
            self.record = replace(self.record, state=state, reason=reason)
            if self._open is None:
                return
            if state.ended:
                self._open.machine.finish(committed=False)
                over = self._open
                self._last, self._open = (self._open.number, {}), None
            elif resumed:
                self._open.machine.restart_selection(now)
        if over is not None:
            over.accumulator.release()

    def retire(self) -> None:
        """The task is about to be read again from storage: from now on the keeper writes nothing of what is here."""
        with self.persisting:
            self.replaced = True

    def go_on(self) -> None:
        """The task could not be read again."""
        with self.persisting:
            self.replaced = False

    def discard(self) -> None:
        """Another object has taken the place of this one."""
        with self._lock:
            over, self._open = self._open, None
        if over is not None:
            over.accumulator.release()

    def is_open(self, ticket: Ticket) -> bool:
        """Whether the ticket's round is the one under way, or a later one, which another replica has begun."""
        with self._lock:
            if self._open is None:
                return False
            ahead = self._open.shared is not None and ticket.round_number > self._open.number
            return ahead or self._open.number == ticket.round_number

    def exchange(self, current: OpenRound, elsewhere: Elsewhere, now: datetime, idle: timedelta) -> tuple[Held, bool]:
        """Take in what other replicas hold.

        Args:
            current: the open round; a shared one.
            elsewhere: what they hold.
            now: the present.
            idle: places that nobody has asked for during this time are given back.

        Returns:
            What this one holds, and whether it wants places.

        Raises:
            StateError: the round is over.
        """
        with self._lock:
            if current.shared is None or self._open is not current:
                raise StateError("the round is over")
            machine = current.shared
            machine.learn(elsewhere)
            if machine.stock and machine.idle_since() + idle <= now:
                machine.give_back()
            return Held(machine.stock, machine.outstanding, machine.pending), machine.wants_places(now)

    def grant(self, current: OpenRound, places: int, now: datetime) -> None:
        """Places were claimed for this replica."""
        with self._lock:
            if current.shared is not None and places:
                current.shared.grant(places, now)

    def next_deadline(self) -> datetime | None:
        """When time alone may bring something new."""
        with self._lock:
            if self._open is None or self.state is not TaskState.RUNNING:
                return None
            return self._open.machine.next_deadline()
