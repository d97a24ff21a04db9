"""Whether storage has failed for long."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta


class StorageHealth:
    """Whether storage has failed for long. Each thing that is asked of it fails and recovers by itself.

    Args:
        patience: how long one thing may fail.
        forget: what failed and was not tried again for so long is not asked any more.
        clock: seconds that only go forward.
    """

    def __init__(self, patience: timedelta, forget: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience.total_seconds()
        self._forget = forget.total_seconds()
        self._clock = clock
        self._lock = threading.Lock()
        self._failing: dict[str, tuple[float, float]] = {}

    def failed(self, what: str) -> None:
        """Storage could not do this."""
        now = self._clock()
        with self._lock:
            self._failing[what] = (self._failing.get(what, (now, now))[0], now)

    def worked(self, what: str) -> None:
        """It could."""
        if what in self._failing:
            with self._lock:
                self._failing.pop(what, None)

    @property
    def healthy(self) -> bool:
        """False once something has failed again and again for longer than patience allows."""
        now = self._clock()
        with self._lock:
            self._failing = {key: one for key, one in self._failing.items() if now - one[1] < self._forget}
            return all(now - first < self._patience for first, _ in self._failing.values())
