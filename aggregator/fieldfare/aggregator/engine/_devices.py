"""How many devices share this aggregator: an estimate in bounded memory, for pace steering."""

from collections import OrderedDict
from datetime import datetime, timedelta

_WINDOW = timedelta(minutes=10)
_MOST = 65_536


class DevicesSeen:
    """Distinct devices of the last ten minutes. Above 65,536 of them it stays at that number."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, datetime] = OrderedDict()

    def see(self, device: bytes, now: datetime) -> None:
        """The device has called."""
        self._seen[device] = now
        self._seen.move_to_end(device)
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)

    def count(self, now: datetime) -> int:
        """Devices seen lately."""
        while self._seen and next(iter(self._seen.values())) < now - _WINDOW:
            self._seen.popitem(last=False)
        return len(self._seen)
