"""Ctrl-C is obeyed even where a library swallows it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Remember each Ctrl-C, beside what it does anyway.

    Python drops a `KeyboardInterrupt` that is raised in a `__del__`, and TensorFlow has such methods at work during an
    export; where native code calls Python, it may come out as another error.

    Yields:
        To be called between two steps: raises `KeyboardInterrupt` where one has come. The end does so too, in place of
        any error that is on its way.
    """
    before = signal.getsignal(signal.SIGINT)
    # Where it is ignored, or means the end of the process, or comes to another thread, there is nothing to be lost.
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handler = before
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        handler(number, frame)

    def obey() -> None:
        if came:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield obey
    finally:
        signal.signal(signal.SIGINT, before)
        obey()
