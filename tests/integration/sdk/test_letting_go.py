"""A device that waits for long lets its plan go, and loads it again for the next round."""

from datetime import timedelta

from fieldfare.core.sessions import Ended
from fieldfare.sdk import LiteRtTrainer
from tests.support.device_bench import Bench
from tests.support.set_clock import SetClock


def test_a_plan_stays_loaded_while_rounds_follow_one_another(bench: Bench) -> None:
    trainer, clock = LiteRtTrainer(), SetClock()
    with bench.device(trainer=trainer, clock=clock) as device:
        for _ in range(2):
            bench.offer()
            assert device.run_once(early=True).ended is Ended.COUNTED
            assert trainer._runtime is not None
        # Nothing to do, for nine seconds and for ten.
        for passed, loaded in ((9.0, True), (1.0, False)):
            clock.at += passed
            assert device.run_once(early=True).ended is Ended.IDLE
            assert (trainer._runtime is not None) is loaded
        bench.offer()
        assert device.run_once(early=True).ended is Ended.COUNTED
        assert trainer._runtime is not None
    first, _, last = bench.aggregator.reports
    assert first.payload == last.payload


def test_a_long_wait_that_is_ahead_counts_as_well(bench: Bench) -> None:
    trainer = LiteRtTrainer()
    with bench.device(trainer=trainer, clock=SetClock()) as device:
        bench.offer()
        device.run_once()
        bench.aggregator.come_back_after = timedelta(minutes=10)
        assert device.run_once(early=True).ended is Ended.IDLE
        assert trainer._runtime is None
