"""Personalisation: each device goes on training the federated model on its own examples, for its own suggestions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.experiment.measure import Recall, plan_logits, recall_of, total
from examples.keyboard.roles import Role
from examples.keyboard.words import Vocabulary, examples_of
from fieldfare.core.plans import PlanRuntime, count_rows
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.sdk import LiteRtTrainer


@dataclass(frozen=True, slots=True)
class PersonalSettings:
    """How a device fine-tunes (Yu, Bagdasaryan and Shmatikov 2020).

    Attributes:
        epochs: passes over its own examples.
        learning_rate: of SGD.
        min_examples: a device with fewer keeps the federated model.
        seed: shuffles.
    """

    epochs: int
    learning_rate: float
    min_examples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Personal:
    """Recall on the held-out lines of the devices that have any, with the federated model and with their own.

    Attributes:
        shared: with the federated model.
        own: with the fine-tuned ones; the federated one where a device has too few examples to train.
        tuned: devices that trained.
        better: of these, those with a higher top-3 recall than before.
        worse: of these, those with a lower one.
    """

    shared: Recall
    own: Recall
    tuned: int
    better: int
    worse: int


def personalise(
    plan: Path,
    weights: NDArray[np.float32],
    roles: Sequence[Role],
    vocabulary: Vocabulary,
    settings: PersonalSettings,
) -> Personal:
    """Fine-tune for each role from the same weights, and measure on what it says afterwards."""
    trainer, runtime = LiteRtTrainer(), PlanRuntime(plan)
    trainer.load(plan, "next-words")
    pairs: list[tuple[Recall, Recall]] = []
    tuned = 0
    for number, role in enumerate(roles):
        examples, held_out = examples_of(vocabulary, role.training), examples_of(vocabulary, role.held_out)
        if not count_rows(held_out):
            continue
        runtime.set_weights(weights)
        shared = recall_of(plan_logits(runtime), held_out)
        if count_rows(examples) < settings.min_examples:
            pairs.append((shared, shared))
            continue
        tuned += 1
        trained = trainer.train(
            weights,
            examples,
            local=LocalTrainingSpec(epochs=settings.epochs, learning_rate=settings.learning_rate),
            algorithm=Algorithm.FEDAVG,
            rng=np.random.default_rng([settings.seed, number]),
            interrupt=lambda: "",
        )
        runtime.set_weights(weights + trained.vector)
        pairs.append((shared, recall_of(plan_logits(runtime), held_out)))
    return Personal(
        total(one for one, _ in pairs),
        total(one for _, one in pairs),
        tuned,
        sum(after.among_three > before.among_three for before, after in pairs),
        sum(after.among_three < before.among_three for before, after in pairs),
    )
