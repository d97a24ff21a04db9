"""A device in an asyncio program: its work runs in a thread of its own, and a cancelled task ends it in good order.

    device_task = asyncio.create_task(aio.run_forever(device, print))
    ...
    device_task.cancel()

Cancelling has the effect of the stop event: training ends before the next step, and waits and downloads end. The
task is over once the thread is, so that the device may be closed then.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from fieldfare.core.sessions import Participation
from fieldfare.sdk.device import Device

__all__ = ["run_forever", "run_once"]

_LOG = logging.getLogger("fieldfare.sdk")
_T = TypeVar("_T")


async def run_once(device: Device, *, wait: timedelta = timedelta(0), early: bool = False) -> Participation:
    """`Device.run_once` without blocking the event loop; arguments, result and errors are its own.

    Raises:
        asyncio.CancelledError: cancelled; what was trained is given up, a report that was made is kept.
    """
    return await _in_thread(lambda stop: device.run_once(stop, wait=wait, early=early))


async def run_forever(
    device: Device,
    on_participation: Callable[[Participation], None] | None = None,
    *,
    idle_after: timedelta | None = None,
) -> None:
    """`Device.run_forever` until the task is cancelled; `on_participation` is called in the event loop's thread.

    Raises:
        asyncio.CancelledError: cancelled.
    """
    loop = asyncio.get_running_loop()

    def tell(participation: Participation) -> None:
        if on_participation is not None:
            loop.call_soon_threadsafe(on_participation, participation)

    await _in_thread(lambda stop: device.run_forever(stop, tell, idle_after=idle_after))


async def _in_thread(work: Callable[[threading.Event], _T]) -> _T:
    stop = threading.Event()
    # Safe: shut down without waiting, since the thread's end is waited for below, without blocking the loop.
    executor = ThreadPoolExecutor(1, thread_name_prefix="fieldfare")
    try:
        running = asyncio.get_running_loop().run_in_executor(executor, work, stop)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([running])
            # Told here, or asyncio would complain of an error that nobody has looked at.
            if not running.cancelled() and (error := running.exception()) is not None:
                _LOG.warning("while the device was stopped: %s", error)
            raise
    finally:
        stop.set()
        executor.shutdown(wait=False)
