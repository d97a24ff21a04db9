"""What an experiment does: the full one, and a short one for a quick look."""

from dataclasses import dataclass

from examples.keyboard.experiment.federated import FederatedSettings, Phase
from examples.keyboard.experiment.personal import PersonalSettings
from examples.keyboard.words import VOCABULARY_SIZE


@dataclass(frozen=True, slots=True)
class Settings:
    """One experiment.

    Attributes:
        ids: of the vocabulary at the most.
        width: of embedding and GRU.
        roles: so many of the file's roles, those with the most lines; 0 for all.
        federated: how the federation trains.
        central_epochs: passes over all examples where they are in one place; the best of them counts.
        personal: how each device fine-tunes.
        look_every: rounds between two looks at the held-out lines.
        look_examples: examples of such a look.
    """

    ids: int
    width: int
    roles: int
    federated: FederatedSettings
    central_epochs: int
    personal: PersonalSettings
    look_every: int
    look_examples: int


def full(seed: int, processes: int) -> Settings:
    """Every role, 5,000 ids."""
    return Settings(
        ids=VOCABULARY_SIZE,
        width=64,
        roles=0,
        federated=FederatedSettings(
            phases=(Phase(60, 0.05), Phase(50, 0.02), Phase(30, 0.007)),
            cohort=48,
            learning_rate=4.0,
            adaptivity=1e-3,
            epochs=1,
            max_examples=10_000,
            processes=processes,
            threads=4,
            seed=seed,
        ),
        central_epochs=6,
        personal=PersonalSettings(epochs=3, learning_rate=0.3, min_examples=4, seed=seed),
        look_every=10,
        look_examples=1200,
    )


def short(seed: int, processes: int) -> Settings:
    """Twelve roles and a small model: a minute of work, and the figures mean little."""
    return Settings(
        ids=400,
        width=16,
        roles=12,
        federated=FederatedSettings(
            phases=(Phase(4, 0.1), Phase(1, 0.03)),
            cohort=8,
            learning_rate=3.0,
            adaptivity=1e-3,
            epochs=2,
            max_examples=200,
            processes=processes,
            threads=2,
            seed=seed,
        ),
        central_epochs=4,
        personal=PersonalSettings(epochs=1, learning_rate=0.3, min_examples=4, seed=seed),
        look_every=4,
        look_examples=200,
    )
