"""Personalisation: each device goes on training the federated model on its own examples, for its own suggestions."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.experiment.measure import Recall, plan_logits, recall_of, total
from examples.keyboard.roles import Role
from examples.keyboard.words import Vocabulary, examples_of
from fieldfare.core.plans import Examples, PlanRuntime, count_rows, take_rows
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk import LiteRtTrainer
from fieldfare.sdk.personal import Personal, personalise

_CHECK_SHARE = 0.2
_LEAST_CHECKED = 2


@dataclass(frozen=True, slots=True)
class PersonalSettings:
    """How a device fine-tunes (Yu, Bagdasaryan and Shmatikov 2020).

    Attributes:
        epochs: passes over its own examples.
        learning_rate: of SGD.
        min_examples: a device with fewer to train on keeps the federated model.
        seed: shuffles.
    """

    epochs: int
    learning_rate: float
    min_examples: int
    seed: int

    def personal(self) -> Personal:
        """What the device is told."""
        local = LocalTrainingSpec(epochs=self.epochs, learning_rate=self.learning_rate, min_examples=self.min_examples)
        return Personal(local=local, min_held_out=_LEAST_CHECKED)


@dataclass(frozen=True, slots=True)
class RoleExamples:
    """What a role has said so far, as a device's examples; the newest fifth of it tells whether fine-tuning helped.

    Attributes:
        specs: of one example.
        examples: all of them, oldest first.
    """

    specs: tuple[TensorSpec, ...]
    examples: Examples

    def training(self, limit: int | None = None) -> Examples:
        """The older ones; the newest `limit` of these."""
        end = self._split()
        return take_rows(self.examples, slice(0 if limit is None else max(0, end - limit), end))

    def held_out(self) -> Examples:
        """The newest ones."""
        return take_rows(self.examples, slice(self._split(), None))

    def _split(self) -> int:
        rows = count_rows(self.examples)
        return rows - int(rows * _CHECK_SHARE)


@dataclass(frozen=True, slots=True)
class Personalised:
    """Recall on the held-out lines of all devices.

    Attributes:
        shared: with the federated model.
        own: with the fine-tuned weights where the device keeps them, since they were better on its newest examples.
        always: with the fine-tuned weights wherever the device could train.
        trained: devices that trained.
        kept: of these, those that keep the result.
        better: of those that keep it, those with a higher top-3 recall on their held-out lines than before.
        worse: with a lower one.
    """

    shared: Recall
    own: Recall
    always: Recall
    trained: int
    kept: int
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class _Device:
    shared: Recall
    always: Recall
    trained: bool
    kept: bool

    @property
    def own(self) -> Recall:
        return self.always if self.kept else self.shared


def personalise_roles(
    plan: Path,
    weights: NDArray[np.float32],
    roles: Sequence[Role],
    vocabulary: Vocabulary,
    settings: PersonalSettings,
    *,
    processes: int = 1,
) -> Personalised:
    """Fine-tune for each role from the same weights, by what a device does, and measure on what it says afterwards.

    The result is the same for any number of processes.
    """
    numbered = list(enumerate(roles))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as workers:
        parts = [
            workers.submit(_tune, plan, weights, numbered[start::processes], vocabulary, settings)
            for start in range(processes)
        ]
        found = [one for part in parts for one in part.result()]
    return Personalised(
        total(one.shared for one in found),
        total(one.own for one in found),
        total(one.always for one in found),
        sum(one.trained for one in found),
        sum(one.kept for one in found),
        sum(one.own.among_three > one.shared.among_three for one in found),
        sum(one.own.among_three < one.shared.among_three for one in found),
    )


def _tune(
    plan: Path,
    weights: NDArray[np.float32],
    numbered: Sequence[tuple[int, Role]],
    vocabulary: Vocabulary,
    settings: PersonalSettings,
) -> list[_Device]:
    """In a worker process: the devices of these roles that have lines to measure."""
    trainer, runtime = LiteRtTrainer(), PlanRuntime(plan)
    trainer.load(plan, "next-words")

    def device(number: int, role: Role, held_out: Examples) -> _Device:
        runtime.set_weights(weights)
        shared = recall_of(plan_logits(runtime), held_out)
        found = personalise(
            trainer,
            runtime.manifest,
            weights,
            RoleExamples(runtime.manifest.example_specs, examples_of(vocabulary, role.training)),
            settings.personal(),
            rng=np.random.default_rng([settings.seed, number]),
            interrupt=lambda: "",
        )
        if not found.vector.size:
            return _Device(shared, shared, trained=False, kept=False)
        runtime.set_weights(found.vector)
        return _Device(shared, recall_of(plan_logits(runtime), held_out), trained=True, kept=found.kept)

    return [
        device(number, role, held_out)
        for number, role in numbered
        if count_rows(held_out := examples_of(vocabulary, role.held_out))
    ]
