"""Batch, order, time and measurements, as the task and the app ask for them."""

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans import attach_manifest, read_manifest, training_memory
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.training import Limits, LiteRtTrainer
from tests.unit.sdk.training.regression import START, Source, X, Y, by_hand, work

ALGORITHMS = (Algorithm.FEDAVG, Algorithm.FEDPROX, Algorithm.SCAFFOLD)
RATE = 0.05


def local(**changes) -> LocalTrainingSpec:
    return LocalTrainingSpec(learning_rate=RATE, **changes)


def in_order(**changes):
    return by_hand(lambda: np.arange(10), changes.pop("epochs", 1), RATE, **changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_a_smaller_batch_is_that_of_the_task(trainer, files, algorithm: Algorithm, batch: int) -> None:
    result = work(trainer, files, algorithm=algorithm, local=local(epochs=2, batch_size=batch, shuffle=False))
    delta, loss = in_order(epochs=2, batch=batch)
    np.testing.assert_allclose(result.vector[:3], delta, rtol=1e-4, atol=1e-6)
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)


def test_a_larger_batch_than_the_plans_is_refused(trainer, files) -> None:
    result = work(trainer, files, local=local(batch_size=5))
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert result.detail == "the task asks for steps of 5 examples, the plan takes 4"


def test_without_shuffling_the_examples_are_taken_oldest_first_each_time(trainer, files) -> None:
    results = [work(trainer, files, seed=seed, local=local(epochs=3, shuffle=False)) for seed in (1, 2)]
    delta, _ = in_order(epochs=3)
    for result in results:
        np.testing.assert_allclose(result.vector, delta, rtol=1e-4, atol=1e-6)
    shuffled = work(trainer, files, local=local(epochs=3))
    assert not np.allclose(shuffled.vector, delta, rtol=1e-4, atol=1e-6)


def ticking():
    """A clock that is a second later whenever it is asked."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.mark.parametrize(("seconds", "steps"), [(1, 1), (2, 2), (5, 5), (6, 6), (100, 6)])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_time_ends_training_after_a_whole_step(trainer, files, algorithm, seconds: int, steps: int) -> None:
    spec = local(epochs=2, max_seconds=seconds, shuffle=False)
    result = work(trainer, files, local=spec, algorithm=algorithm, clock=ticking())
    delta, loss = in_order(epochs=2, steps=steps)
    np.testing.assert_allclose(result.vector[:3], delta, rtol=1e-4, atol=1e-6)
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)
    assert result.example_count == min(4 * steps, 10)


def test_the_tighter_limit_of_task_and_app_counts(trainer, files) -> None:
    tasks, apps = local(max_seconds=1, shuffle=False), Limits(time=timedelta(seconds=1))
    once, _ = in_order(steps=1)
    for spec, limits in (
        (tasks, Limits(time=timedelta(seconds=9))),
        (local(max_seconds=9, shuffle=False), apps),
        (local(shuffle=False), apps),
    ):
        result = work(trainer, files, local=spec, limits=limits, clock=ticking())
        np.testing.assert_allclose(result.vector, once, rtol=1e-4, atol=1e-6)


def test_the_app_may_allow_fewer_examples_than_the_task(trainer, files) -> None:
    few = work(trainer, files, limits=Limits(examples=4), local=local())
    assert few.example_count == 4
    np.testing.assert_array_equal(few.vector, work(trainer, files, local=local(max_examples=4)).vector)
    assert work(trainer, files, limits=Limits(examples=8), local=local(max_examples=4)).example_count == 4
    none = work(trainer, files, limits=Limits(examples=4), local=local(min_examples=5))
    assert none.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory_bytes": 0}, "limits.memory_bytes: must be at least 1"),
        ({"examples": -1}, "limits.examples: must be at least 1"),
        ({"time": timedelta(0)}, "limits.time: must be a positive duration"),
    ],
)
def test_limits_are_positive(limits, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limits(**limits)


def errors(w: np.ndarray, rows: int, first: int = 0) -> tuple[float, float]:
    error = X[first:rows] @ w[:2] + w[2] - Y[first:rows, 0]
    return float((error**2).sum()), float(np.abs(error).sum())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_held_out_metrics_come_before_and_after_training(trainer, files, algorithm: Algorithm) -> None:
    spec = local(local_metrics=True)
    result = work(trainer, files, Source(held_out=6), local=spec, algorithm=algorithm)
    plain = work(trainer, files, Source(held_out=6), local=local(), algorithm=algorithm)
    np.testing.assert_array_equal(result.vector, plain.vector)
    assert result.own_metrics is None
    metrics = dict(result.metrics)
    assert metrics.pop("loss") == plain.metrics["loss"]
    for prefix, weights in (("before/", START), ("after/", START + result.vector[:3])):
        loss, absolute = errors(weights, 6)
        assert metrics.pop(prefix + "loss").sum == pytest.approx(loss, rel=1e-5)
        mean = metrics.pop(prefix + "mean_absolute_error")
        assert (mean.sum, mean.weight) == (pytest.approx(absolute, rel=1e-5), 6)
    assert not metrics


def test_what_only_the_app_asked_for_is_not_sent(trainer, files) -> None:
    sent = work(trainer, files, Source(held_out=6), local=local(local_metrics=True), measure=True)
    kept = work(trainer, files, Source(held_out=6), local=local(), measure=True)
    assert set(kept.metrics) == {"loss"}
    assert dict(sent.metrics) == {**kept.metrics, **kept.own_metrics}
    assert sent.own_metrics is None
    assert work(trainer, files, Source(held_out=6), local=local()).own_metrics is None


def test_a_single_held_out_example_is_not_measured(trainer, files) -> None:
    for held_out, spec in ((0, local(local_metrics=True)), (1, local(local_metrics=True))):
        result = work(trainer, files, Source(held_out=held_out), local=spec)
        assert result.outcome == aggregator_pb2.OUTCOME_DONE
        assert set(result.metrics) == {"loss"}


def test_a_gradient_has_no_before_and_after(trainer, files) -> None:
    result = work(trainer, files, Source(held_out=6), algorithm=Algorithm.DSGD, measure=True)
    assert result.own_metrics is None
    assert set(result.metrics) == {"loss"}


def test_no_more_held_out_examples_are_used_than_a_report_may_stand_for(trainer, files) -> None:
    spec = local(max_examples=4, local_metrics=True)
    evaluated = work(trainer, files, Source(held_out=6), kind=NextRound.EVALUATION, local=spec)
    assert evaluated.example_count == 4
    assert evaluated.metrics["loss"].sum == pytest.approx(errors(START, 6, first=2)[0], rel=1e-5)
    trained = work(trainer, files, Source(held_out=6), local=spec)
    assert trained.metrics["before/loss"] == evaluated.metrics["loss"]


class Infinite:
    """A trainer whose loss on held-out examples is infinite once it has trained."""

    def __init__(self, trainer) -> None:
        self._trainer = trainer
        self.load, self.train = trainer.load, trainer.train

    def evaluate(self, weights, examples, *, interrupt):
        metrics = self._trainer.evaluate(weights, examples, interrupt=interrupt)
        if not np.array_equal(weights, START):
            metrics["loss"] = MetricSum(float("inf"), 6)
        return metrics


def test_a_measurement_without_a_number_costs_no_update(trainer, files) -> None:
    result = work(Infinite(trainer), files, Source(held_out=6), local=local(local_metrics=True))
    assert result.outcome == aggregator_pb2.OUTCOME_DONE
    assert set(result.metrics) == {"loss", "before/loss", "before/mean_absolute_error", "after/mean_absolute_error"}


def test_an_interrupt_ends_the_measuring_too(trainer, files) -> None:
    for questions in range(2 + 3 + 2):
        asked = itertools.count()
        result = work(
            trainer,
            files,
            Source(held_out=6),
            local=local(local_metrics=True),
            interrupt=lambda asked=asked, last=questions: "no power" if next(asked) == last else "",
        )
        assert (result.outcome, result.detail) == (aggregator_pb2.OUTCOME_CONDITIONS, "no power")


class Unloaded:
    """A trainer that must not be asked for anything."""

    def __getattr__(self, name: str):
        raise AssertionError(f"{name} was called")


@pytest.mark.parametrize("kind", [NextRound.TRAINING, NextRound.EVALUATION])
@pytest.mark.parametrize("said", [0, 10**9])
def test_a_plan_that_needs_more_memory_than_allowed_is_not_loaded(files, tmp_path: Path, kind, said: int) -> None:
    manifest = replace(read_manifest(files[0]), training_memory_bytes=said)
    (tmp_path / "plan").write_bytes(attach_manifest(files[0].read_bytes(), manifest))
    needed = said or training_memory(tmp_path / "plan", manifest)
    few = Limits(memory_bytes=needed - 1)
    result = work(Unloaded(), (tmp_path / "plan", files[1]), kind=kind, limits=few)
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert result.detail == f"the plan needs about {needed:,} bytes of memory to train, and {needed - 1:,} are allowed"
    enough = work(LiteRtTrainer(), (tmp_path / "plan", files[1]), limits=Limits(memory_bytes=needed))
    assert enough.outcome == aggregator_pb2.OUTCOME_DONE
