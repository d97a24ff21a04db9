"""Check-ins over gRPC: answered at once, or held open until there is work."""

import asyncio
import contextvars
import logging
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine, Waiter, WaitingRoom
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.protos.v1 import aggregator_pb2

_log = logging.getLogger("fieldfare.aggregator")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_ON_ITS_WAY_S = 2.0


class CheckIns:
    """Answers check-ins. A device that goes away while its call is held open costs nothing, no assignment either.

    Args:
        engine: hands out the work.
        settings: how many calls are held open, and for how long.
    """

    def __init__(self, engine: Engine, settings: ServerSettings) -> None:
        self._engine = engine
        self._longest_s = settings.engine.longest_wait.total_seconds()
        self._room = WaitingRoom(engine, settings.engine.max_waiting)
        self._serving: asyncio.Task[None] | None = None
        self._again = False

    @property
    def waiting(self) -> int:
        """Calls that are held open."""
        return len(self._room)

    async def answer(self, request: aggregator_pb2.CheckInRequest, context: _Context) -> aggregator_pb2.CheckInResponse:
        """Work, or when to come back.

        Raises:
            ProtocolError: a request that no device of ours sends.
        """
        answer = self._engine.check_in(request)
        if answer.WhichOneof("answer") == "come_back":
            limit_s = min(_seconds(request), self._longest_s, (context.time_remaining() or 0.0) - _ON_ITS_WAY_S)
            if limit_s > 0:
                answer = await self._hold(request, limit_s) or answer
        return answer

    def serve(self) -> None:
        """There may be work for those who wait: they are looked at soon, and again where this is called meanwhile."""
        self._again = True
        if self._serving is None:
            # Not in the service of the call that happens to be under way: log and traces would name it.
            self._serving = asyncio.get_running_loop().create_task(self._serve(), context=contextvars.Context())
            self._serving.add_done_callback(self._served)

    def close(self) -> None:
        """Answer everybody who waits."""
        self._room.close()

    async def _serve(self) -> None:
        while self._again:
            self._again = False
            for _ in self._room.serve():
                await asyncio.sleep(0)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("those who wait for work were not served: this is a bug", exc_info=error)

    async def _hold(
        self, request: aggregator_pb2.CheckInRequest, limit_s: float
    ) -> aggregator_pb2.CheckInResponse | None:
        """The answer after a wait; None where the device may not wait."""
        told: asyncio.Future[aggregator_pb2.CheckInResponse] = asyncio.get_running_loop().create_future()

        waiter = Waiter(request, told.set_result)
        if not self._room.enter(waiter):
            return None
        try:
            await asyncio.wait([told], timeout=limit_s)
        except asyncio.CancelledError:
            # The device has gone, perhaps in the moment in which it was given work.
            if told.done() and told.result().WhichOneof("answer") == "assignment":
                self._engine.take_back(told.result().assignment)
            raise
        finally:
            self._room.leave(waiter)
        return told.result() if told.done() else self._room.nothing_yet(request.population)


def _seconds(request: aggregator_pb2.CheckInRequest) -> float:
    """How long the device can hold the call open. Safe: what does not fit a timedelta fits a float."""
    return request.wait.seconds + request.wait.nanos / 1e9
