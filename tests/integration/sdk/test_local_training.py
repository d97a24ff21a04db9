"""What a task asks of local training, and what the app asks beside it, over real gRPC."""

import itertools

import numpy as np

from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.sdk import Limits, LiteRtTrainer
from tests.support.device_bench import Bench

BOTH = {f"{when}/{name}" for when in ("before", "after") for name in ("loss", "mean_absolute_error")}


def sent(bench: Bench) -> set[str]:
    return {one.name for one in bench.aggregator.reports[-1].header.metrics}


def test_the_app_sees_more_than_is_sent(bench: Bench) -> None:
    bench.offer()
    done = bench.once(measure=True)
    assert done.metrics is not None
    assert set(done.metrics) == {"loss"} | BOTH
    assert done.metrics["after/loss"].mean < done.metrics["before/loss"].mean
    assert done.metrics["before/loss"].weight == 3
    assert sent(bench) == {"loss"}
    bench.check_ledger()


def test_a_task_that_asks_is_sent_both(bench: Bench) -> None:
    bench.offer(local=LocalTrainingSpec(local_metrics=True).to_proto())
    done = bench.once()
    assert done.metrics is not None
    assert set(done.metrics) == sent(bench) == {"loss"} | BOTH
    bench.check_ledger()


class Ticking:
    """A running clock by which ten seconds pass whenever it is asked."""

    def __init__(self) -> None:
        self._seconds = itertools.count(0, 10)
        self.start = "one"

    def seconds(self) -> float:
        return float(next(self._seconds))


class Counting(LiteRtTrainer):
    """Remembers what training came to."""

    def train(self, *arguments, **named):
        self.done = super().train(*arguments, **named)
        return self.done


def test_the_time_that_a_task_gives_runs_on_the_clock_that_nobody_can_set(bench: Bench) -> None:
    for seconds, steps in ((1, 1), (0, 5)):
        bench.offer(local=LocalTrainingSpec(max_seconds=seconds).to_proto())
        trainer = Counting()
        assert bench.once(clock=Ticking(), trainer=trainer).ended is Ended.COUNTED
        assert trainer.done.steps == steps
        assert bench.aggregator.reports[-1].header.example_count == min(4 * steps, 17)


def test_a_batch_beyond_the_plans_and_a_plan_beyond_the_limit_are_given_up(bench: Bench) -> None:
    bench.offer(local=LocalTrainingSpec(batch_size=5).to_proto())
    gone = bench.once()
    assert (gone.ended, gone.detail) == (Ended.WITHDRAWN, "the task asks for steps of 5 examples, the plan takes 4")
    bench.offer()
    gone = bench.once(limits=Limits(memory_bytes=10_000_000))
    assert gone.ended is Ended.WITHDRAWN
    assert gone.detail.endswith("bytes of memory to train, and 10,000,000 are allowed")
    assert all(one.payload == b"" for one in bench.aggregator.reports)
    bench.check_ledger()


def test_a_small_batch_takes_the_steps_of_its_own(bench: Bench) -> None:
    updates = []
    for size in (0, 4, 2):
        bench.offer(local=LocalTrainingSpec(batch_size=size, shuffle=False).to_proto())
        bench.once(seed=size)
        updates.append(np.frombuffer(bytes(bench.aggregator.reports[-1].payload), "<f4"))
    np.testing.assert_array_equal(updates[0], updates[1])
    assert not np.allclose(updates[0], updates[2])
