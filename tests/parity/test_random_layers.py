"""Random layers draw other numbers in a plan than in Keras, from the same distribution.

One model holds all of them, each followed by a weight for every element of its output y, whose loss is the mean of what
comes out. From one example, the gradient of a weight is then its element of y over their number, so that a step of
plain gradient descent tells y itself.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import pytest

from fieldfare.converters import export_keras
from fieldfare.core.plans import PlanRuntime
from fieldfare.core.weights import split_vector
from tests.parity.layers_random import MASKS, ROWS

DRAWS = 300
RATE = 64.0


class Scale(keras.layers.Layer):
    """A weight for each element."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=shape[1:], initializer="zeros", name="scale")

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale


def linear(targets: Any, outputs: Any) -> Any:
    return keras.ops.mean(outputs + 0.0 * targets, axis=tuple(range(1, len(outputs.shape))))


@dataclass
class Drawn:
    """What the layers of the plan and of Keras give for one and the same example."""

    branches: list[Any]
    plan: bytes

    @cached_property
    def example(self) -> dict[str, Any]:
        draw = np.random.default_rng(5)
        # Away from zero: what is dropped can be told from what is kept.
        return {
            one.inputs[0].name: (draw.uniform(0.5, 1.5, (1, *one.inputs[0].shape[1:]))).astype(np.float32)
            for one in self.branches
        }

    @cached_property
    def of_plan(self) -> list[Any]:
        """`(draws, elements)` for each branch."""
        runtime = PlanRuntime(self.plan)
        specs = runtime.manifest.weight_specs
        targets = {one.spec.name: np.zeros((1, *one.spec.shape), np.float32) for one in runtime.manifest.targets}
        found: list[list[Any]] = [[] for _ in self.branches]
        before = split_vector(specs, runtime.get_weights())
        for _ in range(DRAWS):
            runtime.train_step(self.example | targets, learning_rate=RATE)
            after = split_vector(specs, runtime.get_weights())
            for draws, spec in zip(found, specs, strict=True):
                moved = (before[spec.name] - after[spec.name]).ravel()
                draws.append(moved * moved.size / RATE)
            before = after
        return [np.array(one) for one in found]

    @cached_property
    def of_keras(self) -> list[Any]:
        keras.utils.set_random_seed(3)
        found = []
        for branch in self.branches:
            many = np.repeat(self.example[branch.inputs[0].name], DRAWS, axis=0)
            found.append(np.asarray(branch([many], training=True)).reshape(DRAWS, -1))
        return found


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    keras.utils.set_random_seed(11)
    branches = [row.model() for row in ROWS]
    for one in branches:
        one.trainable = False
    outputs = [Scale(name=f"scale_{index}")(one.outputs[0]) for index, one in enumerate(branches)]
    model = keras.Model([one.inputs[0] for one in branches], outputs)
    path = tmp_path_factory.mktemp("random") / "plan.tflite"
    manifest = export_keras(model, path, loss=[linear] * len(outputs), optimizer="sgd", batch_size=1)
    assert len(manifest.weight_specs) == len(ROWS)
    return Drawn(branches, path.read_bytes())


@pytest.mark.parametrize("index", range(len(ROWS)), ids=lambda index: ROWS[index].slug)
def test_mean_spread_and_structure_are_those_of_keras(drawn, index):
    mine, theirs = drawn.of_plan[index], drawn.of_keras[index]
    spread = theirs.std(axis=0)
    assert spread.min() > 0
    # In units of the spread of one draw: two means of 300 draws differ by 0.08, and an LSTM's elements move as one.
    assert np.mean((mine.mean(axis=0) - theirs.mean(axis=0)) / spread) == pytest.approx(0, abs=0.2)
    assert np.square(mine.std(axis=0)).sum() == pytest.approx(np.square(spread).sum(), rel=0.2)
    # The sum of a draw's elements varies as much as Keras's does: what is dropped together is dropped together.
    assert mine.sum(axis=1).std() == pytest.approx(theirs.sum(axis=1).std(), rel=0.3)


@pytest.mark.parametrize("index", range(len(ROWS)), ids=lambda index: ROWS[index].slug)
def test_each_step_draws_anew(drawn, index):
    mine, theirs = drawn.of_plan[index], drawn.of_keras[index]
    changes, expected = (np.abs(np.diff(one, axis=0)).mean() for one in (mine, theirs))
    assert changes == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("index", range(len(MASKS)), ids=lambda index: MASKS[index].slug)
def test_what_is_kept_is_scaled_and_the_rest_is_zero(drawn, index):
    example = drawn.example[drawn.branches[index].inputs[0].name].reshape(1, -1)
    mine, theirs = (one[index] / example for one in (drawn.of_plan, drawn.of_keras))
    kept = theirs.max()
    assert np.minimum(np.abs(mine), np.abs(mine - kept)).max() < 1e-3
    assert np.mean(mine > kept / 2) == pytest.approx(1 / kept, abs=0.03)


def test_nothing_is_random_outside_of_training(drawn):
    runtime = PlanRuntime(drawn.plan)
    ones = np.ones_like(runtime.get_weights())
    runtime.set_weights(ones)
    first, second = runtime.infer(drawn.example), runtime.infer(drawn.example)
    for index, branch in enumerate(drawn.branches):
        name = f"scale_{index}"
        np.testing.assert_array_equal(first[name], second[name])
        expected = np.asarray(branch([drawn.example[branch.inputs[0].name]], training=False))
        np.testing.assert_allclose(first[name], expected, rtol=1e-5, atol=1e-6)
    targets = {one.spec.name: np.zeros((1, *one.spec.shape), np.float32) for one in runtime.manifest.targets}
    mean = sum(float(one.mean()) for one in first.values())
    assert runtime.evaluate_step(drawn.example | targets)["loss"].mean == pytest.approx(mean, rel=1e-4)
