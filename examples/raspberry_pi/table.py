"""The experiment's result as Markdown, for the README."""

import platform
from importlib import metadata
from typing import TYPE_CHECKING

import psutil

from examples.raspberry_pi.activity import ACTIVITIES
from fieldfare.core.plans import runtime_version

if TYPE_CHECKING:
    from examples.raspberry_pi.evaluate import Result, Settings


def results_table(settings: "Settings", result: "Result") -> str:
    """How it was run, the accuracy of each unseen person and of all, and what was taken for what."""
    people = [f"| {person} | {accuracy:.3f} |" for person, accuracy in result.accuracy.items()]
    rows = [
        f"| {name} | {' | '.join(str(count) for count in counts)} |"
        for name, counts in zip(ACTIVITIES, result.confusion.tolist(), strict=True)
    ]
    return "\n".join(
        [
            f"{settings.rounds} rounds of {settings.epochs} local epochs, seed {settings.seed}, "
            f"{len(result.weights):,} weights: {result.seconds:.0f} s",
            f"({psutil.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, "
            f"LiteRT {runtime_version()}, TensorFlow {metadata.version('tensorflow')}, "
            f"Keras {metadata.version('keras')}).",
            f"Checkpoint {result.checkpoint}.",
            "",
            "| unseen person | accuracy |",
            "|---|---|",
            *people,
            f"| all, {result.confusion.sum():,} windows | {result.overall:.4f} |",
            f"| all, from six values a sample | {result.six_values:.4f} |",
            "",
            f"| did, taken for | {' | '.join(ACTIVITIES)} |",
            f"|---|{'---|' * len(ACTIVITIES)}",
            *rows,
        ]
    )
