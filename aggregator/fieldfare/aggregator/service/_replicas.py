"""What a replica does beside its tasks: find those that were submitted to others, and clear up."""

import asyncio
import logging
from datetime import timedelta

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import StorageSettings
from fieldfare.core.errors import FieldfareError

_log = logging.getLogger("fieldfare.aggregator")
_CLEAR_UP_EVERY = timedelta(hours=1)


async def look_around(engine: Engine, pumps: Pumps, workers: Workers, settings: StorageSettings) -> None:
    """Go on until cancelled. What fails is tried again at the next look: another replica may have been faster."""
    clock = asyncio.get_running_loop().time
    clear_up_at = clock()
    while True:
        try:
            for task_id in await workers.run(engine.look_around):
                pumps.kick(task_id)
            if clock() >= clear_up_at:
                clear_up_at = clock() + _CLEAR_UP_EVERY.total_seconds()
                await workers.run(engine.remove_unused)
        except FieldfareError as error:
            _log.warning("cannot look what other replicas have done: %s", error)
        except Exception as error:  # noqa: BLE001 - a replica that has ceased to look serves no new task, and is silent
            _log.critical("cannot look what other replicas have done: this is a bug", exc_info=error)
        await asyncio.sleep(settings.poll.total_seconds())
