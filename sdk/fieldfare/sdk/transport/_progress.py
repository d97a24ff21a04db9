"""Downloads that are given up when nothing moves any more, and not because they take long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fieldfare.core.errors import TransportError

LOOK_EVERY_S = 0.2
STOPPED = "the device was stopped during the call"
_STEP_BYTES = 1 << 16


class Progress:
    """Whether a download moves: 64 KiB must come, or its end, within each `window_s`.

    So a slow link may take its time, a dead one is noticed, and nobody keeps a device busy with a byte a minute. May be
    used from several threads.

    Args:
        window_s: seconds.
        now: by a clock that never goes back.
    """

    def __init__(self, window_s: float, now: float) -> None:
        self.window_s = window_s
        self._since = now
        self._waiting = 0
        self._lock = threading.Lock()

    def note(self, nbytes: int, now: float) -> None:
        """So many bytes have come."""
        with self._lock:
            self._waiting += nbytes
            if self._waiting >= _STEP_BYTES:
                self._waiting, self._since = 0, now

    def stalled(self, now: float) -> bool:
        """Whether a window has gone by."""
        with self._lock:
            return now - self._since >= self.window_s


@contextmanager
def watched(
    call: Any, progress: Progress, stop: threading.Event | None, address: str
) -> Iterator[list[TransportError]]:
    """Cancel the call once it stalls or `stop` is set; the list then holds the reason."""
    over, reasons = threading.Event(), list[TransportError]()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            if stop is not None and stop.is_set():
                reasons.append(TransportError(STOPPED, retryable=False))
            elif progress.stalled(time.monotonic()):
                told = f"nothing has come from the aggregator at {address} for {progress.window_s:g} s"
                reasons.append(TransportError(told))
            if reasons:
                call.cancel()
                return

    thread = threading.Thread(target=watch, name="fieldfare-watch", daemon=True)
    thread.start()
    try:
        yield reasons
    finally:
        over.set()
        thread.join()
