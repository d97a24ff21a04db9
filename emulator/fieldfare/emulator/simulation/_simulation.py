"""The loop: whoever is next in emulated time has its turn."""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from fieldfare.aggregator.engine import EventKind
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import TaskSpec
from fieldfare.emulator.simulation._aggregator import EmulatedAggregator
from fieldfare.emulator.simulation._clock import EmulatedClock
from fieldfare.emulator.simulation._fleet import EmulatedFleet
from fieldfare.emulator.simulation._flights import Fate, Flight
from fieldfare.emulator.workers import Done, Order

_TICK = timedelta(milliseconds=1)
_LOOK_AGAIN = timedelta(minutes=1)
_MOST_REFUSED = 1000
_MEMORY_BYTES = 2**32
_ENDS_ROUND = {EventKind.COMMITTED, EventKind.EVALUATED, EventKind.ABANDONED}


class Workers(Protocol):
    """Who carries orders out; see `ProcessPool`."""

    def put(self, order: Order, priority: float) -> None: ...
    def take(self, number: int) -> Done: ...
    def drop(self, number: int) -> None: ...
    def settle(self, counted: dict[int, bool]) -> None: ...


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
        seed: of who is asked.
        ahead: orders that are handed to the workers before their turn.
        on_end: told of each flight that is over and how it ended.
        on_round: called after each round.
    """

    def __init__(
        self,
        aggregator: EmulatedAggregator,
        fleet: EmulatedFleet,
        workers: Workers,
        clock: EmulatedClock,
        spec: TaskSpec,
        *,
        seed: int,
        ahead: int,
        on_end: Callable[[Flight, str], None],
        on_round: Callable[[], None],
    ) -> None:
        self._aggregator, self._fleet, self._workers, self._clock = aggregator, fleet, workers, clock
        self._spec, self._seed, self._ahead = spec, seed, ahead
        self._on_end, self._on_round = on_end, on_round
        self._scaffold = spec.aggregation.algorithm.vectors > 1
        self._flights: list[tuple[datetime, int, Flight]] = []
        self._not_put: list[tuple[datetime, int, Flight]] = []
        self._put: set[int] = set()
        self._unsettled: dict[int, Flight] = {}
        self._departed = 0
        self._draws = 0

    def run(self, until: datetime) -> bool:
        """Go on until the task has ended, or emulated time is over.

        Returns:
            Whether the task has ended.

        Raises:
            StorageError: the aggregator cannot write.
            WorkersError: workers end again and again.
        """
        while True:
            self._work()
            if not self._aggregator.active:
                return True
            if self._clock() >= until:
                return False
            self._select()
            self._feed()
            if not self._aggregator.urgent:
                self._go_on(until)

    def _work(self) -> None:
        while self._aggregator.active and self._aggregator.urgent:
            self._told(self._aggregator.work())

    def _told(self, events: Iterable[object]) -> None:
        kinds = [getattr(one, "kind", None) for one in events]
        for _ in [kind for kind in kinds if kind in _ENDS_ROUND]:
            self._settle()
            self._on_round()

    def _settle(self) -> None:
        """SCAFFOLD: a round is over, so devices learn whether they were counted."""
        if not self._unsettled:
            return
        counted = {
            number: self._aggregator.is_counted(one.assignment, self._fleet.device_id(one.device))
            for number, one in self._unsettled.items()
        }
        self._unsettled.clear()
        self._workers.settle(counted)

    def _select(self) -> None:
        """Offer devices, in an order that is drawn, while there are places."""
        population = self._spec.population
        if not self._aggregator.has_places(population):
            return
        now = self._clock()
        rng = np.random.default_rng([self._seed, 4, self._draws])
        self._draws += 1
        refused = 0
        for device in rng.permutation(self._fleet.free(now)):
            response = self._aggregator.check_in(population, self._fleet.device_id(int(device)), _MEMORY_BYTES)
            if response.WhichOneof("answer") == "assignment":
                self._depart(int(device), response.SerializeToString(), response.assignment, now)
            else:
                refused += 1
            if refused >= _MOST_REFUSED or not self._aggregator.has_places(population):
                return

    def _depart(self, device: int, answer: bytes, assignment: object, now: datetime) -> None:
        flight = self._fleet.depart(self._departed, device, answer, assignment, now)  # type: ignore[arg-type]
        self._departed += 1
        self._aggregator.count_download(flight.assignment, flight.bytes_down)
        heapq.heappush(self._flights, (flight.ends, flight.number, flight))
        if flight.fate is Fate.REPORTS:
            heapq.heappush(self._not_put, (flight.ends, flight.number, flight))

    def _feed(self) -> None:
        """Hand the next orders to the workers: no more, since who reports after the goal is reached works in vain."""
        while self._not_put and len(self._put) < self._ahead:
            flight = heapq.heappop(self._not_put)[2]
            if self._is_wanted(flight):
                self._hand_over(flight)

    def _hand_over(self, flight: Flight) -> None:
        device_id = self._fleet.device_id(flight.device)
        order = Order(flight.number, flight.device, device_id, flight.began, flight.answer)
        self._workers.put(order, flight.ends.timestamp())
        self._put.add(flight.number)

    def _go_on(self, until: datetime) -> None:
        """To the next moment at which something happens."""
        times = [until]
        if self._flights:
            times.append(self._flights[0][0])
        deadline = self._aggregator.next_deadline()
        if isinstance(deadline, datetime):
            times.append(deadline + _TICK)
        if self._aggregator.has_places(self._spec.population):
            times.append(self._clock() + _LOOK_AGAIN)
        self._clock.advance(min(times))
        if self._flights and self._flights[0][0] <= self._clock():
            self._land(heapq.heappop(self._flights)[2])

    def _land(self, flight: Flight) -> None:
        self._fleet.land(flight)
        if self._not_put and self._not_put[0][1] == flight.number:
            heapq.heappop(self._not_put)
        device_id = self._fleet.device_id(flight.device)
        if flight.fate is Fate.LEAVES:
            self._aggregator.leave(flight.assignment, device_id)
            how = "left"
        elif flight.fate is Fate.DROPS:
            how = "dropped"
        elif self._is_wanted(flight):
            how = self._report(flight)
        else:
            if flight.number in self._put:
                self._put.discard(flight.number)
                self._workers.drop(flight.number)
            self._aggregator.late(flight.assignment, device_id)
            how = Ended.LATE.name.lower()
        self._on_end(flight, how)

    def _report(self, flight: Flight) -> str:
        if flight.number not in self._put:
            # It began after others were handed over, and is faster.
            self._hand_over(flight)
        done = self._workers.take(flight.number)
        self._put.discard(flight.number)
        ended, _ = self._aggregator.report(done)
        if self._scaffold:
            self._unsettled[flight.number] = flight
        return ended.name.lower()

    def _is_wanted(self, flight: Flight) -> bool:
        return self._aggregator.is_wanted(flight.assignment, self._fleet.device_id(flight.device))
