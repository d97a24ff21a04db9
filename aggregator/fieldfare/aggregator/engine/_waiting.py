"""Check-ins that are held open until there is work: the pool from which the next round's cohort is taken at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fieldfare.aggregator.engine._engine import Engine
from fieldfare.protos.v1 import aggregator_pb2

_LOOKS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """One call that is held open.

    Attributes:
        request: what the device asked.
        answer: gives it its answer, once. Where the device goes away just then, the call takes an assignment back.
    """

    request: aggregator_pb2.CheckInRequest
    answer: Callable[[aggregator_pb2.CheckInResponse], None]


class WaitingRoom:
    """Bounded; first come, first served, except that a device may lack what the task at hand needs.

    For one thread. Whoever lets a device in sees to it that it `leave`s when its time is over.

    Args:
        engine: hands out the work.
        capacity: calls at the most.
    """

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine = engine
        self._capacity = capacity
        self._waiting: dict[str, dict[bytes, Waiter]] = {}
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def enter(self, waiter: Waiter) -> bool:
        """Wait for work; False where there is no room, or no task that may bring work.

        A device that calls again, since its connection broke, takes over its own place.
        """
        population, device = waiter.request.population, waiter.request.device_id
        queue = self._waiting.get(population, {})
        known = queue.get(device)
        if self._closed or not self._engine.expects_work(population):
            return False
        if known is None and self._count >= self._capacity:
            return False
        self._waiting.setdefault(population, queue)[device] = waiter
        if known is None:
            self._count += 1
        else:
            known.answer(self.nothing_yet(population))
        return True

    def leave(self, waiter: Waiter) -> None:
        """The device has gone, or its time is over."""
        population, device = waiter.request.population, waiter.request.device_id
        queue = self._waiting.get(population, {})
        if queue.get(device) is waiter:
            del queue[device]
            self._count -= 1
            if not queue:
                del self._waiting[population]

    def serve(self) -> Iterator[None]:
        """Something may have changed: hand out what there is, and let those go for whom nothing will come.

        A look at a device takes some fifty microseconds, and thousands may wait for whom there is nothing: so the work
        is done while this is iterated, a few devices at a time, and the room may be used in between.
        """
        looks = 0
        for population in list(self._waiting):
            for waiter in list(self._waiting.get(population, {}).values()):
                if not self._engine.expects_work(population):
                    self._send_away(waiter)
                elif self._engine.has_places(population):
                    self._offer(waiter)
                else:
                    break
                looks += 1
                if looks % _LOOKS == 0:
                    yield

    def close(self) -> None:
        """Answer everybody, and let nobody in any more."""
        self._closed = True
        for waiter in [one for queue in self._waiting.values() for one in queue.values()]:
            self._send_away(waiter)

    def nothing_yet(self, population: str) -> aggregator_pb2.CheckInResponse:
        """The answer to a device whose wait is over."""
        after = self._engine.come_back_after(population)
        reason = f"no task of population {population!r} needs this device now"
        return aggregator_pb2.CheckInResponse(come_back=aggregator_pb2.ComeBack(after=after, reason=reason))

    def _offer(self, waiter: Waiter) -> None:
        if not self._holds(waiter):
            return
        answer = self._engine.check_in(waiter.request)
        if answer.WhichOneof("answer") == "assignment":
            self.leave(waiter)
            waiter.answer(answer)

    def _send_away(self, waiter: Waiter) -> None:
        if self._holds(waiter):
            self.leave(waiter)
            waiter.answer(self.nothing_yet(waiter.request.population))

    def _holds(self, waiter: Waiter) -> bool:
        """Whether it has not left since it was listed."""
        return self._waiting.get(waiter.request.population, {}).get(waiter.request.device_id) is waiter
