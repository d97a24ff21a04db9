"""Which order is next, whatever carries it out."""

import heapq

from fieldfare.emulator.workers._orders import Order

_FIRST = -1.0
TRIES = 3
"""An order whose worker has ended so often is given up."""


class OrderQueue:
    """Orders that wait for a worker, and what is known of those that have one."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Order]] = []
        self._dropped: set[int] = set()
        self._lost: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, order: Order, priority: float) -> None:
        """Take an order in; those with the smallest priority are next."""
        heapq.heappush(self._waiting, (priority, order.number, order))

    def next(self) -> Order | None:
        """The next one to be carried out; None where there is none."""
        while self._waiting:
            order = heapq.heappop(self._waiting)[2]
            if order.number not in self._dropped:
                return order
            self._dropped.discard(order.number)
        return None

    def drop(self, number: int) -> None:
        """The result of an order that waits, or is under work, is not wanted any more."""
        self._dropped.add(number)

    def is_wanted(self, number: int) -> bool:
        """Whether the result that has come is wanted. Asked once: it is forgotten with the answer."""
        self._lost.pop(number, None)
        wanted = number not in self._dropped
        self._dropped.discard(number)
        return wanted

    def again(self, order: Order, *, begun: bool = True) -> bool:
        """The worker has ended before it was done: the order is next, if its result is wanted still.

        Args:
            order: what it had.
            begun: whether it may have been at that, and not at an order before it.

        Returns:
            False where that has happened `TRIES` times, and it is given up.
        """
        if order.number in self._dropped:
            self._dropped.discard(order.number)
            return True
        if begun:
            self._lost[order.number] = self._lost.get(order.number, 0) + 1
        if self._lost.get(order.number, 0) >= TRIES:
            return False
        self.put(order, _FIRST)
        return True
