"""The look for devices that other replicas revoked."""

import asyncio
import logging
from datetime import timedelta

from fieldfare.aggregator.security import Enrollment
from fieldfare.aggregator.service._workers import Workers
from fieldfare.core.errors import StorageError

_log = logging.getLogger("fieldfare.aggregator")


async def watch_revocations(enrollment: Enrollment, workers: Workers, every: timedelta) -> None:
    """Look again and again, until cancelled."""
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await workers.run(enrollment.look_for_revocations)
        except StorageError as error:
            _log.error("which devices were revoked cannot be read now: %s", error)
