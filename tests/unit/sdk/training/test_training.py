"""Local training against figures computed with NumPy from the equations of the tiny plan."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.core.weights import TensorSpec, pack_weights
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.training import Job, LiteRtTrainer, do_work
from tests.support.tiny_plan import tiny_plan
from tests.unit.sdk.training.regression import (
    RNG,
    SPECS,
    START,
    WEIGHTS,
    Source,
    X,
    Y,
    assignment,
    by_hand,
    slope,
    work,
)


def test_fedavg_is_sgd_over_shuffled_batches(trainer, files) -> None:
    result = work(trainer, files, local=LocalTrainingSpec(epochs=3, learning_rate=0.05))
    rng = np.random.default_rng(1)
    delta, loss = by_hand(lambda: rng.permutation(10), 3, 0.05)
    assert result.outcome == aggregator_pb2.OUTCOME_DONE
    assert result.vector is not None
    assert result.vector.dtype == np.float32
    np.testing.assert_allclose(result.vector, delta, rtol=1e-4, atol=1e-6)
    assert result.example_count == 10
    assert result.metrics is not None
    assert result.metrics["loss"].weight == 10
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)


def test_the_same_seed_gives_the_same_bits(trainer, files) -> None:
    one, two, other = (work(trainer, files, seed=seed).vector for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(work(LiteRtTrainer(), files, seed=7).vector, one)


def test_the_plans_own_rate_unless_the_task_gives_one(trainer, files) -> None:
    own = work(trainer, files, local=LocalTrainingSpec())
    same = work(trainer, files, local=LocalTrainingSpec(learning_rate=0.1))
    np.testing.assert_array_equal(own.vector, same.vector)


@pytest.mark.parametrize(("steps", "used"), [(1, 4), (2, 8), (3, 10), (4, 10)])
def test_max_steps_and_the_examples_that_were_used(trainer, files, steps: int, used: int) -> None:
    result = work(trainer, files, local=LocalTrainingSpec(epochs=5, max_steps=steps, learning_rate=0.05))
    rng = np.random.default_rng(1)
    delta, _ = by_hand(lambda: rng.permutation(10), 5, 0.05, steps=steps)
    np.testing.assert_allclose(result.vector, delta, rtol=1e-4, atol=1e-6)
    assert result.example_count == used


def test_only_the_newest_examples_are_used(trainer, files) -> None:
    result = work(trainer, files, local=LocalTrainingSpec(max_examples=4, learning_rate=0.05))
    gradient, loss = slope(START.astype(np.float64), np.arange(6, 10))
    np.testing.assert_allclose(result.vector, -0.05 * gradient, rtol=1e-4)
    assert result.example_count == 4
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 10])
def test_dsgd_is_the_gradient_over_all_examples(trainer, files, rows: int) -> None:
    result = work(trainer, files, Source(rows), algorithm=Algorithm.DSGD, local=LocalTrainingSpec(epochs=9))
    gradient, loss = slope(START.astype(np.float64), np.arange(rows))
    np.testing.assert_allclose(result.vector, gradient, rtol=1e-5, atol=1e-6)
    assert result.example_count == rows
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_fedprox_is_sgd_that_is_pulled_to_the_checkpoint(trainer, files, mu: float) -> None:
    local = LocalTrainingSpec(epochs=3, learning_rate=0.05, proximal_mu=mu)
    result = work(trainer, files, local=local, algorithm=Algorithm.FEDPROX)
    rng = np.random.default_rng(1)
    delta, loss = by_hand(lambda: rng.permutation(10), 3, 0.05, correct=lambda w: mu * (w - START))
    np.testing.assert_allclose(result.vector, delta, rtol=1e-4, atol=1e-6)
    assert result.metrics["loss"].mean == pytest.approx(loss, rel=1e-5)
    # The plan's own optimiser is plain SGD here: without the pull the two are the same.
    plain = work(trainer, files, local=replace(local, proximal_mu=0.0))
    assert np.allclose(result.vector, plain.vector, rtol=1e-5, atol=1e-6) is (mu == 0)


def test_scaffold_corrects_every_step_and_reports_both_deltas(trainer, files, tmp_path: Path) -> None:
    own, server = np.array([0.5, -1.0, 0.25], "f4"), np.array([-0.25, 0.5, 1.0], "f4")
    control = tmp_path / "control"
    control.write_bytes(pack_weights((TensorSpec("control", "float32", (3,)),), server))
    local = LocalTrainingSpec(epochs=3, learning_rate=0.05)
    result = do_work(
        Job(assignment(local=local, algorithm=Algorithm.SCAFFOLD), *files, control),
        trainer,
        Source(),
        rng=np.random.default_rng(1),
        interrupt=lambda: "",
        own_control=lambda size: own[:size],
    )
    rng = np.random.default_rng(1)
    delta, _ = by_hand(lambda: rng.permutation(10), 3, 0.05, correct=lambda _: server - own)
    assert result.vector is not None
    assert result.vector.dtype == np.float32
    np.testing.assert_allclose(result.vector[:3], delta, rtol=1e-4, atol=1e-6)
    # Nine steps: c_i+ - c_i = (x - y) / (9 * 0.05) - c.
    np.testing.assert_allclose(result.vector[3:], -delta / 0.45 - server, rtol=1e-4, atol=1e-5)


def test_scaffold_without_control_variates_is_fedavg(trainer, files) -> None:
    first = work(trainer, files, algorithm=Algorithm.SCAFFOLD)
    plain = work(trainer, files)
    np.testing.assert_allclose(first.vector[:3], plain.vector, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.vector[3:], plain.vector / -(3 * 0.05), rtol=1e-4, atol=1e-5)


def test_a_device_that_is_new_to_scaffold_does_not_follow_the_others(trainer, files, tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.write_bytes(pack_weights((TensorSpec("control", "float32", (3,)),), np.float32([-0.25, 0.5, 1.0])))
    job = Job(assignment(algorithm=Algorithm.SCAFFOLD), *files, control)
    first = do_work(job, trainer, Source(), rng=np.random.default_rng(1), interrupt=lambda: "")
    plain = work(trainer, files)
    assert first.vector is not None
    np.testing.assert_allclose(first.vector[:3], plain.vector, rtol=1e-5, atol=1e-6)
    # c_i+ is the mean gradient of its steps, and c_i was zero: the server's c is not in it.
    np.testing.assert_allclose(first.vector[3:], plain.vector / -(3 * 0.05), rtol=1e-4, atol=1e-5)


def test_a_control_variate_of_another_plan_fails(trainer, files, tmp_path: Path) -> None:
    for specs in ((TensorSpec("control", "float32", (2,)),), (TensorSpec("other", "float32", (3,)),)):
        (tmp_path / "control").write_bytes(pack_weights(specs, np.zeros(specs[0].size, "f4")))
        for path in (tmp_path / "control", tmp_path / "absent"):
            job = Job(assignment(algorithm=Algorithm.SCAFFOLD), *files, path)
            result = do_work(job, trainer, Source(), rng=np.random.default_rng(1), interrupt=lambda: "")
            assert result.outcome == aggregator_pb2.OUTCOME_FAILED
            assert "control variate" in result.detail


@pytest.mark.parametrize("rows", [1, 4, 6])
def test_evaluation_sums_over_the_held_out_examples(trainer, files, rows: int) -> None:
    local = LocalTrainingSpec(min_evaluation_examples=1)
    result = work(trainer, files, Source(held_out=rows), kind=NextRound.EVALUATION, local=local)
    error = X[:rows] @ START[:2] + START[2] - Y[:rows, 0]
    assert result.outcome == aggregator_pb2.OUTCOME_DONE
    assert result.vector is None
    assert result.example_count == rows
    assert result.metrics["loss"].sum == pytest.approx((error**2).sum(), rel=1e-5)
    assert result.metrics["mean_absolute_error"].sum == pytest.approx(np.abs(error).sum(), rel=1e-5)
    assert result.metrics["loss"].weight == rows


def test_too_few_examples(trainer, files) -> None:
    few = work(trainer, files, Source(3), local=LocalTrainingSpec(min_examples=4))
    assert few.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES
    assert few.vector is None
    none = work(trainer, files, Source(0))
    assert none.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES
    alone = work(trainer, files, Source(held_out=1), kind=NextRound.EVALUATION)
    assert alone.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES
    assert (alone.metrics, alone.detail) == (None, "1 examples are held out, and the task needs 2 to evaluate")
    unheld = work(trainer, files, Source(held_out=0), kind=NextRound.EVALUATION)
    assert unheld.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES


def test_a_rate_that_diverges_fails_and_sends_nothing(trainer, files) -> None:
    for local in (LocalTrainingSpec(epochs=20, learning_rate=1e30), LocalTrainingSpec(learning_rate=3e38)):
        result = work(trainer, files, local=local)
        assert result.outcome == aggregator_pb2.OUTCOME_FAILED
        assert result.vector is None
        assert "learning rate" in result.detail


def test_values_beyond_the_bound_are_not_sent(trainer, files) -> None:
    result = work(trainer, files, max_abs_value=1e-6)
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert result.vector is None
    assert "beyond 1e-06" in result.detail


def test_a_norm_beyond_the_bound_is_not_sent(trainer, files) -> None:
    delta = work(trainer, files).vector
    norm = float(np.linalg.norm(delta))
    assert work(trainer, files, max_norm=norm * 1.001).outcome == aggregator_pb2.OUTCOME_DONE
    result = work(trainer, files, max_norm=norm * 0.999)
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert result.vector is None
    assert f"norm {norm:g}, beyond" in result.detail


def test_an_interrupt_ends_it_between_steps(trainer, files) -> None:
    for changes in (
        {},
        {"algorithm": Algorithm.DSGD},
        {"algorithm": Algorithm.SCAFFOLD},
        {"kind": NextRound.EVALUATION},
    ):
        asked = iter(["", "no power"])
        result = work(trainer, files, Source(held_out=10), interrupt=lambda asked=asked: next(asked), **changes)
        assert result.outcome == aggregator_pb2.OUTCOME_CONDITIONS
        assert result.detail == "no power"


def test_examples_of_another_kind_are_refused(trainer, files) -> None:
    result = work(trainer, files, Source(specs=(TensorSpec("x", "float32", (3,)), SPECS[1])))
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert "needs examples of x float32[2], y float32[1]" in result.detail


def test_a_plan_without_gradients_fails_dsgd(files, tmp_path: Path) -> None:
    (tmp_path / "plan").write_bytes(tiny_plan(features=2, gradients=False))
    for algorithm in (Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD):
        result = work(LiteRtTrainer(), (tmp_path / "plan", files[1]), algorithm=algorithm)
        assert result.outcome == aggregator_pb2.OUTCOME_FAILED
        assert "gradients" in result.detail


def test_files_that_are_not_what_they_should_be(files, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no plan, no weights" * 10)
    (tmp_path / "other").write_bytes(pack_weights(WEIGHTS[:1], START[:2]))
    for plan, weights in ((tmp_path / "bad", files[1]), (files[0], tmp_path / "bad"), (files[0], tmp_path / "other")):
        result = work(LiteRtTrainer(), (plan, weights))
        assert result.outcome == aggregator_pb2.OUTCOME_FAILED
        assert result.detail


def test_the_runtime_stays_loaded_while_the_plan_is_the_same(files) -> None:
    trainer = LiteRtTrainer()
    with pytest.raises(StateError):
        trainer.evaluate(START, Source().training(), interrupt=lambda: "")
    trainer.load(files[0], "a")
    given = {"local": LocalTrainingSpec(), "algorithm": Algorithm.SCAFFOLD, "rng": RNG, "interrupt": lambda: ""}
    with pytest.raises(StateError, match="control variates"):
        trainer.train(START, Source().training(), **given)
    first = trainer._runtime
    trainer.load(files[0], "a")
    assert trainer._runtime is first
    trainer.load(files[0], "b")
    assert trainer._runtime is not first
