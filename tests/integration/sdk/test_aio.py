"""A device in an asyncio program."""

import asyncio
import threading
from datetime import timedelta

import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import Conditions, SystemProbe, aio
from tests.support.device_bench import Bench


class Gate(SystemProbe):
    """Tells the event loop of a step of training, and holds it until the test lets it go on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop, self.training, self.go_on = loop, asyncio.Event(), threading.Event()
        self.steps = -2

    def on_power(self) -> bool:
        self.steps += 1
        if self.steps == 0:
            self._loop.call_soon_threadsafe(self.training.set)
            assert self.go_on.wait(30)
        return True


def test_once(bench: Bench) -> None:
    bench.offer()
    with bench.device() as device:
        assert asyncio.run(aio.run_once(device)).ended is Ended.COUNTED
        assert asyncio.run(aio.run_once(device, early=True)).ended is Ended.IDLE


def test_a_task_that_is_cancelled_ends_the_work_before_the_next_step(bench: Bench) -> None:
    bench.offer(local=LocalTrainingSpec(epochs=1000).to_proto())

    async def cancel_in_training() -> int:
        gate = Gate(asyncio.get_running_loop())
        with bench.device(conditions=Conditions(on_power=True), probe=gate) as device:
            task = asyncio.create_task(aio.run_once(device))
            await gate.training.wait()
            task.cancel()
            # The loop turns once, so that the task has taken the cancellation up; then the step goes on.
            await asyncio.sleep(0)
            assert not task.done()
            gate.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            # The thread is at its end: another may run.
            assert (await aio.run_once(device)).ended is Ended.IDLE
        return gate.steps

    # The question that was held, and that of the run after: no step of the thousand passes in between but one.
    assert asyncio.run(cancel_in_training()) <= 2
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_CONDITIONS


def test_forever_until_it_is_cancelled(bench: Bench) -> None:
    bench.offer()
    bench.offer()

    async def run() -> list[Participation]:
        seen: list[Participation] = []
        done = asyncio.Event()
        inside = threading.get_ident()

        def note(participation: Participation) -> None:
            assert threading.get_ident() == inside
            seen.append(participation)
            if len(seen) == 3:
                done.set()

        with bench.device() as device:
            task = asyncio.create_task(aio.run_forever(device, note))
            await done.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return seen

    assert [one.ended for one in asyncio.run(run())][:3] == [Ended.COUNTED, Ended.COUNTED, Ended.IDLE]


def test_a_wait_for_work_ends_when_it_is_cancelled(bench: Bench) -> None:
    """The device waits an hour for its next check-in: cancelling does not."""
    bench.aggregator.come_back_after = timedelta(hours=1)

    async def run() -> None:
        idle = asyncio.Event()
        with bench.device() as device:
            task = asyncio.create_task(aio.run_forever(device, lambda _: idle.set()))
            await idle.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 30)

    asyncio.run(run())


def test_errors_come_through(bench: Bench) -> None:
    with bench.device() as first, bench.device() as second:
        first.run_once()
        with pytest.raises(StateError, match="another device is running"):
            asyncio.run(aio.run_once(second))
        with pytest.raises(StateError, match="another device is running"):
            asyncio.run(aio.run_forever(second))
