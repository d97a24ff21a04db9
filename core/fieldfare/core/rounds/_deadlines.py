"""Who is at work until when, so that asking for the earliest end does not look at everybody."""

import heapq
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime

_SPARE = 64


class Deadlines(MutableMapping[bytes, datetime]):
    """Devices and their deadlines, the earliest at hand: a mapping with a heap beside it.

    What is deleted or changed stays in the heap until it comes up, or until half of the heap is such.
    """

    def __init__(self, known: Mapping[bytes, datetime] | None = None) -> None:
        self._of: dict[bytes, datetime] = {}
        self._heap: list[tuple[datetime, bytes]] = []
        self.update(known or {})

    def __getitem__(self, device: bytes) -> datetime:
        return self._of[device]

    def __setitem__(self, device: bytes, deadline: datetime) -> None:
        self._of[device] = deadline
        heapq.heappush(self._heap, (deadline, device))
        if len(self._heap) > 2 * len(self._of) + _SPARE:
            self._heap = [(deadline, device) for device, deadline in self._of.items()]
            heapq.heapify(self._heap)

    def __delitem__(self, device: bytes) -> None:
        del self._of[device]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def clear(self) -> None:
        """Forget all of them."""
        self._of.clear()
        self._heap.clear()

    def earliest(self) -> datetime | None:
        """The next deadline; None where nobody is at work."""
        while self._heap and self._of.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def expire(self, now: datetime) -> None:
        """Forget those whose time is over; at the very deadline it is."""
        while (deadline := self.earliest()) is not None and deadline <= now:
            del self._of[heapq.heappop(self._heap)[1]]
