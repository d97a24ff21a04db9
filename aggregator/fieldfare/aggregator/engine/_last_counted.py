"""When devices were counted last, for tasks that keep their participations apart."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta


class LastCounted:
    """Devices that must stay away for a while; holds those of the last `separation` only.

    The caller guards it with a lock.

    Args:
        separation: time between two counted reports of a device; zero keeps nobody away.
    """

    def __init__(self, separation: timedelta) -> None:
        self._separation = separation
        # The earliest first, as far as the callers' clocks agree: what is left over goes a little later.
        self._at: OrderedDict[bytes, datetime] = OrderedDict()

    def remember(self, counted_at: Mapping[bytes, datetime], now: datetime) -> None:
        """These devices were counted at these times."""
        if not self._separation:
            return
        for device, at in counted_at.items():
            self._at[device] = at
            self._at.move_to_end(device)
        while self._at and now - next(iter(self._at.values())) >= self._separation:
            self._at.popitem(last=False)

    def is_too_soon(self, device: bytes, now: datetime) -> bool:
        """Whether the device was counted less than `separation` ago."""
        at = self._at.get(device)
        return at is not None and now - at < self._separation
