"""The contract over what ships and over an app's own trainer; and every rule over trainers that break it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.tasks import Algorithm
from fieldfare.sdk.training import LiteRtTrainer
from fieldfare.sdk.training.contract import TRAINER_CONTRACT, Subject
from tests.support.tiny_plan import tiny_plan
from tests.unit.sdk.training.regression import X, Y

RULES = {rule.__name__: rule for rule in TRAINER_CONTRACT}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("plans")
    for gradients in (True, False):
        (folder / f"{gradients}").write_bytes(tiny_plan(features=2, gradients=gradients))
    return {gradients: folder / f"{gradients}" for gradients in (True, False)}


def subject(plans, make=LiteRtTrainer, *, gradients: bool = True) -> Subject:
    return Subject(make, plans[gradients], {"x": X, "y": Y}, learning_rate=0.05)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_what_ships_keeps_the_contract(plans, rule: str, gradients: bool) -> None:
    RULES[rule](subject(plans, gradients=gradients))


class Broken(LiteRtTrainer):
    """Breaks one rule."""

    def train(self, checkpoint, examples, **given):
        return super().train(checkpoint, examples, **self.changed(given))

    def changed(self, given):
        return given


def ignoring(**local):
    """A trainer that takes these settings of a task to be what they are not."""

    class Ignoring(Broken):
        def changed(self, given):
            return given | {"local": replace(given["local"], **local)}

    return Ignoring


class Deaf(Broken):
    def changed(self, given):
        return given | {"interrupt": lambda: ""}


class Endless(Broken):
    def changed(self, given):
        return {name: value for name, value in given.items() if name != "enough"}


class Unmasked(Broken):
    def changed(self, given):
        return {name: value for name, value in given.items() if name != "mask"}


class Forgetful(Broken):
    """Begins anew where it should go on."""

    def changed(self, given):
        return given | {"progress": None}


class Changing(Broken):
    def train(self, checkpoint, examples, **given):
        done = super().train(checkpoint, examples, **given)
        checkpoint += done.vector
        return done


class Stateful(Broken):
    """Has something left of the last training in the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._left = np.float32(0)

    def train(self, checkpoint, examples, **given):
        done = super().train(checkpoint, examples, **given)
        left, self._left = self._left, done.vector * np.float32(0.01)
        return replace(done, vector=done.vector + left)


class Doubled(Broken):
    """Gives sums of a gradient where its mean is asked for, and one vector where two are."""

    def train(self, checkpoint, examples, **given):
        done = super().train(checkpoint, examples, **given)
        if given["algorithm"] is Algorithm.DSGD:
            return replace(done, vector=done.vector * len(examples["x"]))
        if given["algorithm"] is Algorithm.SCAFFOLD:
            return replace(done, vector=done.vector[: checkpoint.size])
        return done


class Halved(Broken):
    """Evaluates the first batch alone."""

    def evaluate(self, weights, examples, *, interrupt):
        return super().evaluate(weights, {name: array[:4] for name, array in examples.items()}, interrupt=interrupt)


class Careless(Broken):
    """Cuts what is too long, and needs no plan."""

    def train(self, checkpoint, examples, **given):
        return super().train(checkpoint[:3], examples, **given) if self._runtime else None

    def evaluate(self, weights, examples, *, interrupt):
        return super().evaluate(weights[:3], examples, interrupt=interrupt) if self._runtime else {}


class Nameless(Broken):
    def load(self, plan, digest):
        return replace(super().load(plan, digest), name="")


class Clinging(Broken):
    def unload(self):
        pass


BREAKS = [
    (Nameless, "load_gives_the_manifest"),
    (Careless, "nothing_runs_before_a_plan_is_loaded"),
    (Careless, "weights_of_another_length_are_refused"),
    (Changing, "the_update_is_new_weights_minus_old"),
    (Stateful, "nothing_is_left_of_earlier_work"),
    (ignoring(epochs=1), "steps_are_counted"),
    (ignoring(max_steps=0), "steps_are_counted"),
    (ignoring(batch_size=0), "steps_are_counted"),
    (ignoring(batch_size=0), "a_short_step_is_that_of_its_examples"),
    (ignoring(shuffle=True), "the_order_is_the_generators"),
    (ignoring(shuffle=False), "the_order_is_the_generators"),
    (ignoring(learning_rate=0.05), "the_learning_rate_is_the_tasks"),
    (Endless, "enough_ends_training_after_a_step"),
    (Deaf, "an_interrupt_is_asked_before_every_step"),
    (Forgetful, "an_interrupt_is_asked_before_every_step"),
    (Halved, "metrics_are_sums"),
    (Doubled, "a_gradient_is_that_of_all_examples"),
    (ignoring(proximal_mu=0.0), "fedprox_pulls_to_the_checkpoint"),
    (Unmasked, "fedprox_pulls_to_the_checkpoint"),
    (Doubled, "scaffold_corrects_every_step"),
    (Clinging, "what_is_unloaded_can_be_loaded_again"),
]


@pytest.mark.parametrize(("make", "rule"), BREAKS)
def test_a_trainer_that_breaks_a_rule_is_told(plans, make, rule: str) -> None:
    with pytest.raises(AssertionError):
        RULES[rule](subject(plans, make))


def test_every_rule_can_be_broken() -> None:
    assert {rule for _, rule in BREAKS} == set(RULES)
