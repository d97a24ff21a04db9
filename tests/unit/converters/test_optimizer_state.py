"""Names of the optimiser's state: the same for the same optimiser, whatever Keras counted or left open before."""

import keras
import pytest

from fieldfare.converters.tracing import optimizer_state

OPTIMIZERS = ["SGD", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "RMSprop", "Ftrl", "Lion", "Adafactor"]


@pytest.fixture(scope="module")
def weights():
    with keras.name_scope("dense"):
        return [keras.Variable([[1.0, 2.0]], name="kernel"), keras.Variable([3.0], name="bias")]


def names(kind, weights):
    settings = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(keras.optimizers, kind)(gradient_accumulation_steps=2, **settings)
    optimizer.build(weights)
    return list(optimizer_state(optimizer))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_names_do_not_depend_on_optimizers_before_or_on_open_name_scopes(kind, weights):
    first = names(kind, weights)
    # Keras leaves a model's scope open when the model cannot be built.
    with keras.name_scope("left"), keras.name_scope("open"):
        second = names(kind, weights)
    assert first == second == names(kind, weights)
    assert len(set(first)) == len(first) > 1


def test_names_say_which_weight_a_variable_belongs_to(weights):
    found = names("SGD", weights)
    # By their ends: a scope that was left open while the weights were made is part of their own names.
    assert {"kernel", "bias"} == {
        weight for weight in ("kernel", "bias") for one in found if f"dense_{weight}_mom" in one
    }
