"""Adaptation of a checkpoint against the same steps by hand, and the verdict on held-out examples."""

from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, DataError, PlanError, WeightsError
from fieldfare.core.metrics import LOSS
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.personal import Personal, overlaid, personalise
from fieldfare.sdk.training import Interrupted, LiteRtTrainer
from tests.support.tiny_plan import tiny_manifest, tiny_plan
from tests.unit.sdk.training.regression import SPECS, START, WEIGHTS, Source, X, Y, slope

MANIFEST = tiny_manifest(features=2)
RATE = 0.05


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> LiteRtTrainer:
    path: Path = tmp_path_factory.mktemp("plan") / "plan"
    path.write_bytes(tiny_plan(features=2))
    trainer = LiteRtTrainer()
    trainer.load(path, "tiny")
    return trainer


def settings(**changes) -> Personal:
    local = LocalTrainingSpec(**({"learning_rate": RATE, "shuffle": False, "epochs": 4} | changes.pop("local", {})))
    return Personal(local=local, **changes)


def adapt(trainer, source=None, wanted=None, *, interrupt=lambda: ""):
    rng = np.random.default_rng(1)
    source = source or Source(held_out=6)
    return personalise(trainer, MANIFEST, START, source, wanted or settings(), rng=rng, interrupt=interrupt)


def by_hand(moves: np.ndarray, mu: float = 0.0) -> np.ndarray:
    w = START.astype(np.float64)
    for _ in range(4):
        for first in range(0, 10, 4):
            gradient, _ = slope(w, np.arange(first, min(first + 4, 10)))
            w = w - RATE * moves * (gradient + mu * (w - START))
    return w


def loss(w: np.ndarray, rows: int = 6) -> float:
    return float(((X[:rows] @ w[:2] + w[2] - Y[:rows, 0]) ** 2).mean())


def test_all_weights_are_fine_tuned_by_the_plans_optimiser(trainer) -> None:
    done = adapt(trainer)
    np.testing.assert_allclose(done.vector, by_hand(np.ones(3)), rtol=1e-4)
    assert done.specs == WEIGHTS
    assert (done.examples, done.held_out, done.kept) == (10, 6, True)
    assert done.shared[LOSS] == pytest.approx(loss(START), rel=1e-5)
    assert done.own[LOSS] == pytest.approx(loss(done.vector), rel=1e-5)
    assert done.detail == f"loss {done.own[LOSS]:.4g}, shared {done.shared[LOSS]:.4g}, on 6 held-out examples"


@pytest.mark.parametrize(
    ("patterns", "moves"), [(("*/bias",), [0, 0, 1]), (("dense/kernel",), [1, 1, 0]), (("*/k*", "*bias"), [1, 1, 1])]
)
def test_a_head_is_fine_tuned_while_the_rest_stays(trainer, patterns: tuple[str, ...], moves: list[int]) -> None:
    moving = np.array(moves)
    done = adapt(trainer, wanted=settings(tensors=patterns))
    expected = by_hand(moving)
    np.testing.assert_allclose(done.vector, expected[moving == 1], rtol=1e-4)
    whole = overlaid(WEIGHTS, START, done.specs, done.vector)
    np.testing.assert_allclose(whole, expected, rtol=1e-4)
    np.testing.assert_array_equal(whole[moving == 0], START[moving == 0])
    assert done.own[LOSS] == pytest.approx(loss(whole), rel=1e-5)


def test_a_pull_holds_the_weights_near_the_shared_ones(trainer) -> None:
    done = adapt(trainer, wanted=settings(local={"proximal_mu": 2.0}))
    np.testing.assert_allclose(done.vector, by_hand(np.ones(3), mu=2.0), rtol=1e-4)


class Away(Source):
    """Held-out examples of which what is trained on says nothing."""

    def held_out(self):
        return {"x": X[:6], "y": -Y[:6]}


@pytest.mark.parametrize("always", [False, True])
def test_what_is_not_better_is_not_kept_unless_it_always_is(trainer, always: bool) -> None:
    done = adapt(trainer, Away(held_out=6), settings(always=always))
    assert done.own[LOSS] > done.shared[LOSS]
    assert done.kept is always


@pytest.mark.parametrize("always", [False, True])
def test_few_held_out_examples_tell_nothing(trainer, always: bool) -> None:
    for held_out in (0, 2):
        done = adapt(trainer, Source(held_out=held_out), settings(always=always, min_held_out=3))
        assert (done.kept, done.detail) == (always, f"{held_out} held-out examples cannot tell which is better")


def test_another_metric_judges_in_its_own_direction(trainer) -> None:
    done = adapt(trainer, wanted=settings(metric="mean_absolute_error"))
    assert done.kept
    assert done.detail.startswith("mean_absolute_error ")


def test_too_few_examples_train_nothing(trainer) -> None:
    done = adapt(trainer, Source(3, held_out=6), settings(always=True, local={"min_examples": 4}))
    assert (done.kept, done.detail, done.vector.size) == (False, "3 examples, and 4 are needed", 0)


def test_what_does_not_go_with_the_plan_is_refused(trainer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'head' names none of the plan's weights: dense/kernel, dense/bias"):
        adapt(trainer, wanted=settings(tensors=("*bias", "head")))
    with pytest.raises(ConfigError, match="the plan has loss, mean_absolute_error only"):
        adapt(trainer, wanted=settings(metric="f1"))
    with pytest.raises(ConfigError, match="the plan takes at most 4"):
        adapt(trainer, wanted=settings(local={"batch_size": 5}))
    with pytest.raises(DataError, match="not of the plan's kind"):
        adapt(trainer, Source(specs=(TensorSpec("x", "float32", (3,)), SPECS[1])))
    (tmp_path / "plan").write_bytes(tiny_plan(features=2, gradients=False))
    bare = LiteRtTrainer()
    bare.load(tmp_path / "plan", "bare")
    assert adapt(bare).kept
    with pytest.raises(PlanError, match="export it with gradients=True"):
        adapt(bare, wanted=settings(tensors=("*bias",)))


def test_settings_are_checked() -> None:
    for changes, words in (
        ({"tensors": ()}, "personal.tensors: needs at least one pattern"),
        ({"tensors": ("",)}, "personal.tensors: needs at least one pattern"),
        ({"min_held_out": 0}, "personal.min_held_out: must be at least 1"),
        ({"local": LocalTrainingSpec(epochs=0)}, "personal.local.epochs"),
    ):
        with pytest.raises(ConfigError, match=words):
            Personal(**changes)
    assert Personal().digest == Personal().digest != Personal(always=True).digest


def test_a_rate_that_diverges_and_an_interrupt_end_it(trainer) -> None:
    with pytest.raises((PlanError, WeightsError), match="learning rate"):
        adapt(trainer, wanted=settings(local={"learning_rate": 3e38}))
    with pytest.raises(Interrupted, match="no power"):
        adapt(trainer, interrupt=lambda: "no power")


def test_own_weights_of_another_plan_do_not_lie_over_these() -> None:
    with pytest.raises(WeightsError, match="not those of the plan"):
        overlaid(WEIGHTS, START, (TensorSpec("dense/bias", "float32", (2,)),), np.zeros(2, np.float32))
