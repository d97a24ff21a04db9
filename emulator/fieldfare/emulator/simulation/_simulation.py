"""The loop: whoever is next in emulated time has its turn."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import numpy as np

from fieldfare.aggregator.engine import Event, EventKind, Standing
from fieldfare.core.errors import StateError
from fieldfare.core.rounds import Ticket
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import Algorithm, NextRound, TaskSpec
from fieldfare.emulator.simulation._aggregator import EmulatedAggregator
from fieldfare.emulator.simulation._clock import EmulatedClock
from fieldfare.emulator.simulation._controls import FleetControls, Settlement
from fieldfare.emulator.simulation._fleet import EmulatedFleet
from fieldfare.emulator.simulation._flights import Ending, Fate, Flight
from fieldfare.emulator.simulation._state import SimulationState
from fieldfare.emulator.workers import Order, Workers
from fieldfare.protos.v1 import aggregator_pb2

_TICK = timedelta(milliseconds=1)
_LOOK_AGAIN = timedelta(minutes=1)
_MOST_REFUSED = 1000
_TRAINING = NextRound.TRAINING.value
_ENDS_ROUND = {EventKind.COMMITTED, EventKind.EVALUATED, EventKind.ABANDONED}


class Simulation:
    """Runs one task over a fleet.

    Nothing here depends on how fast anything is done, or by how many workers: reports come in the order of emulated
    time, and whose report counts is known before it is trained for.

    Args:
        aggregator: with the task submitted.
        fleet: the devices.
        workers: carry the devices' work out.
        clock: the same as the aggregator's.
        spec: of the task.
        controls: SCAFFOLD: the devices' control variates; None for other algorithms.
        state: where to begin.
        seed: of who is asked.
        give_up_after: rounds in a row that are abandoned at the most.
        ahead: orders that are handed to the workers before their turn.
        on_end: told of each part of a device in a round that is over.
        on_round: told after each round where the emulation stands; once it has returned, the devices' control variates
            go on, so that whatever it keeps can be gone on from.
    """

    def __init__(
        self,
        aggregator: EmulatedAggregator,
        fleet: EmulatedFleet,
        workers: Workers,
        clock: EmulatedClock,
        spec: TaskSpec,
        *,
        controls: FleetControls | None,
        state: SimulationState,
        seed: int,
        give_up_after: int,
        ahead: int,
        on_end: Callable[[Ending], None],
        on_round: Callable[[SimulationState], None],
    ) -> None:
        self._aggregator, self._fleet, self._workers, self._clock = aggregator, fleet, workers, clock
        self._spec, self._seed, self._ahead = spec, seed, ahead
        self._on_end, self._on_round = on_end, on_round
        self._controls = controls
        self._put: set[int] = set()
        self._nobody_free = False
        self._unsettled: dict[int, Flight] = {}
        self._departed, self._draws = state.departed, state.draws
        self._abandoned, self._give_up_after, self._last_why = state.abandoned, give_up_after, ""
        self._silent = list(state.silent)
        self._waiting: list[Flight] = []
        # Heaps; a sorted list is one.
        self._flights = sorted((one.ends, one.number, one) for one in state.flights)
        self._not_put = [item for item in self._flights if item[2].fate is Fate.REPORTS]
        fleet.restore(state.has_plan, state.flights)
        aggregator.carry(one.ticket for one in (*state.flights, *state.silent))
        if controls is not None:
            controls.settle(state.settling)

    def run(self, until: datetime) -> bool:
        """Go on until the task has ended, or emulated time is over.

        Returns:
            Whether the task has ended.

        Raises:
            StorageError: the aggregator cannot write.
            WorkersError: workers end again and again.
            StateError: one round after the other is abandoned.
        """
        while True:
            self._work()
            if not self._aggregator.active:
                self._end_the_rest()
                return True
            if self._clock() >= until:
                return False
            self._select()
            self._feed()
            if not self._aggregator.urgent:
                self._go_on(until)

    def _end_the_rest(self) -> None:
        """Who is under way when the task ends does not know: it goes on to its end, and its report comes too late."""
        ways = {Fate.REPORTS: Ended.LATE.name.lower(), Fate.DROPS: "dropped", Fate.LEAVES: "left"}
        self._send_again()
        while self._flights:
            flight = heapq.heappop(self._flights)[2]
            self._end(Ending(flight, ways[flight.fate], "the task had ended"))

    def _work(self) -> None:
        while self._aggregator.active and self._aggregator.urgent:
            self._told(self._aggregator.work())

    def _told(self, events: Iterable[Event]) -> None:
        ends = [one.kind for one in events if one.kind in _ENDS_ROUND]
        if not ends:
            return
        for kind in ends:
            self._abandoned = self._abandoned + 1 if kind is EventKind.ABANDONED else 0
        self._send_again()
        self._forget_put()
        settling = self._settling()
        self._on_round(self._state(settling))
        if self._controls is not None:
            self._controls.settle(settling)
        if self._abandoned >= self._give_up_after:
            why = f"; a device said last: {self._last_why}" if self._last_why else ""
            raise StateError(f"{self._abandoned} rounds in a row were abandoned{why}")

    def _send_again(self) -> None:
        """Devices whose report may count in a round that has not begun by then hold it until there is one."""
        for flight in self._waiting:
            heapq.heappush(self._flights, (flight.ends, flight.number, flight))
        self._waiting.clear()

    def _forget_put(self) -> None:
        """Nobody waits any more for what was handed over for the round that has ended, unless a later one counts it."""
        if self._spec.aggregation.algorithm is not Algorithm.FEDBUFF:
            for number in self._put:
                self._workers.drop(number)
            self._put.clear()

    def _settling(self) -> dict[int, Settlement]:
        """SCAFFOLD: a round is over, so devices learn whether they were counted."""
        settling = {
            number: Settlement(
                one.device, one.assignment.task_id, one.assignment.round_number, self._aggregator.is_counted(one.ticket)
            )
            for number, one in self._unsettled.items()
        }
        self._unsettled.clear()
        return settling

    def _state(self, settling: Mapping[int, Settlement]) -> SimulationState:
        now = self._clock()
        self._silent = [one for one in self._silent if one.ticket.report_by > now]
        return SimulationState(
            now=now,
            departed=self._departed,
            draws=self._draws,
            abandoned=self._abandoned,
            has_plan=self._fleet.has_plan,
            flights=[one for _, _, one in self._flights],
            silent=self._silent,
            settling=settling,
        )

    def _select(self) -> None:
        """Offer devices, in an order that is drawn, while there are places."""
        population = self._spec.population
        if not self._aggregator.has_places(population):
            return
        now = self._clock()
        rng = np.random.default_rng([self._seed, 4, self._draws])
        self._draws += 1
        refused = 0
        self._nobody_free = True
        for device in self._fleet.offered(now, rng):
            self._nobody_free = False
            device_id = self._fleet.device_id(device)
            response = self._aggregator.check_in(population, device_id, self._fleet.memory_bytes(device))
            if response.WhichOneof("answer") == "assignment":
                self._depart(device, response, self._aggregator.ticket_of(response.assignment, device_id), now)
            else:
                refused += 1
            if refused >= _MOST_REFUSED or not self._aggregator.has_places(population):
                return

    def _depart(self, device: int, answer: aggregator_pb2.CheckInResponse, ticket: Ticket, now: datetime) -> None:
        flight = self._fleet.depart(self._departed, device, answer, ticket, now)
        self._departed += 1
        self._aggregator.download(flight)
        heapq.heappush(self._flights, (flight.ends, flight.number, flight))
        if flight.fate is Fate.REPORTS:
            heapq.heappush(self._not_put, (flight.ends, flight.number, flight))

    def _feed(self) -> None:
        """Hand the next orders to the workers: no more, since who reports after the goal is reached works in vain."""
        missing = self._aggregator.missing()
        most = self._ahead if missing is None else min(self._ahead, missing)
        while self._not_put and len(self._put) < most:
            flight = heapq.heappop(self._not_put)[2]
            if self._aggregator.standing(flight.ticket) is Standing.ABSENT:
                self._hand_over(flight)

    def _hand_over(self, flight: Flight) -> None:
        device_id = self._fleet.device_id(flight.device)
        trains = flight.assignment.kind == _TRAINING
        control = self._controls.of(flight.device, flight.assignment) if self._controls and trains else None
        order = Order(flight.number, flight.device, device_id, flight.began, flight.answer, control)
        self._workers.put(order, flight.ends.timestamp())
        self._put.add(flight.number)

    def _go_on(self, until: datetime) -> None:
        """To the next moment at which something happens."""
        times = [until]
        if self._flights:
            times.append(self._flights[0][0])
        deadline = self._aggregator.next_deadline()
        if deadline is not None:
            times.append(deadline + _TICK)
        if self._aggregator.has_places(self._spec.population):
            times.append(self._look_again(until))
        self._clock.advance(min(times))
        if self._flights and self._flights[0][0] <= self._clock():
            self._land(heapq.heappop(self._flights)[2])

    def _look_again(self, until: datetime) -> datetime:
        """When to offer devices once more: in a minute, or where nobody was there, as soon as somebody comes."""
        soon = self._clock() + _LOOK_AGAIN
        if not self._nobody_free:
            return soon
        return max(soon, self._fleet.next_available(self._clock()) or until)

    def _land(self, flight: Flight) -> None:
        if self._not_put and self._not_put[0][1] == flight.number:
            heapq.heappop(self._not_put)
        if flight.fate is Fate.LEAVES:
            self._aggregator.leave(flight)
            self._end(Ending(flight, "left", "it may not work any more: its hours are over, or a condition ended"))
        elif flight.fate is Fate.DROPS:
            if flight.ticket.report_by > self._clock():
                self._silent.append(flight)
            self._end(Ending(flight, "dropped"))
        else:
            self._arrive(flight)

    def _arrive(self, flight: Flight) -> None:
        """A report comes; whether it is wanted is known before it is trained for."""
        standing = self._aggregator.standing(flight.ticket)
        if standing is Standing.ABSENT:
            self._end(self._report(flight))
        elif standing is Standing.WAITING:
            self._waiting.append(flight)
        else:
            if flight.number in self._put:
                self._put.discard(flight.number)
                self._workers.drop(flight.number)
            self._aggregator.late(flight)
            self._end(Ending(flight, Ended.LATE.name.lower()))

    def _end(self, ending: Ending) -> None:
        self._fleet.land(ending.flight)
        self._last_why = ending.why or self._last_why
        self._on_end(ending)

    def _report(self, flight: Flight) -> Ending:
        if flight.number not in self._put:
            # It began after others were handed over, and is faster.
            self._hand_over(flight)
        with self._workers.take(flight.number) as done:
            self._put.discard(flight.number)
            header = aggregator_pb2.ReportHeader.FromString(done.header)
            ended, why = self._aggregator.report(flight.ticket, header, done)
            if self._controls is not None and done.control_delta is not None and ended is Ended.COUNTED:
                self._controls.hold(flight.number, done.control_delta)
                self._unsettled[flight.number] = flight
        means = {one.name: one.sum / one.weight for one in header.metrics if one.weight}
        return Ending(flight, ended.name.lower(), why, header.example_count, means)
