"""The search for tasks that were submitted to other replicas."""

import asyncio
import contextlib
import logging
from datetime import timedelta

import pytest

from fieldfare.aggregator.service import Workers, look_around
from fieldfare.aggregator.settings import StorageSettings
from fieldfare.core.errors import StateError, StorageError


class Engine:
    """Fails in every way that there is, and then finds a task."""

    def __init__(self) -> None:
        self.failures: list[Exception] = [StorageError("away"), StateError("the task has ended"), KeyError("no time")]

    def look_around(self) -> list[str]:
        if self.failures:
            raise self.failures.pop(0)
        return ["task"]

    def remove_unused(self) -> None:
        raise KeyError("no time")


class Pumps:
    """Knows when a task was found twice, the second time after clearing up has failed."""

    def __init__(self) -> None:
        self.kicked: list[str] = []
        self.twice = asyncio.Event()

    def kick(self, task_id: str) -> None:
        self.kicked.append(task_id)
        if len(self.kicked) > 1:
            self.twice.set()


def test_a_replica_goes_on_looking_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def look() -> None:
        pumps, workers = Pumps(), Workers(1)
        settings = StorageSettings(poll=timedelta(milliseconds=1))
        looking = asyncio.create_task(look_around(Engine(), pumps, workers, settings))  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            await pumps.twice.wait()
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        workers.close()

    with caplog.at_level(logging.WARNING, "fieldfare.aggregator"):
        asyncio.run(look())
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.WARNING, logging.CRITICAL, logging.CRITICAL]
