"""Recall: how often the word that was said next was among the first ones suggested."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.words import SPECIAL, UNKNOWN
from fieldfare.core.plans import Examples, PlanRuntime, count_rows

_ROWS = 64

Logits = Callable[[NDArray[np.int32]], NDArray[np.float32]]
"""Ids `(n, LENGTH)` to logits `(n, LENGTH, ids)`."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Words that were to be foretold, and how many were. A word outside of the vocabulary is one that was not.

    Attributes:
        words: all of them.
        first: the first suggestion was the word.
        among_three: one of the first three was.
    """

    words: int = 0
    first: int = 0
    among_three: int = 0

    def __add__(self, other: "Recall") -> "Recall":
        return Recall(self.words + other.words, self.first + other.first, self.among_three + other.among_three)

    @property
    def top1(self) -> float:
        """Share, 0 to 1."""
        return self.first / self.words

    @property
    def top3(self) -> float:
        """Share, 0 to 1."""
        return self.among_three / self.words


def total(parts: Iterable[Recall]) -> Recall:
    """All of them together."""
    return reduce(add, parts, Recall())


def recall_of(logits: Logits, examples: Examples) -> Recall:
    """Suggest at every place of the examples; only words are suggested."""
    starts = range(0, count_rows(examples), _ROWS)
    return total(
        _recall(logits(examples["ids"][start : start + _ROWS]), examples["label"][start : start + _ROWS])
        for start in starts
    )


def recall_of_words(favourites: NDArray[np.int64], examples: Examples) -> Recall:
    """Suggest the same words everywhere: their ids, the first one first."""
    labels = examples["label"]
    said = labels[labels >= UNKNOWN]
    return Recall(said.size, int((said == favourites[0]).sum()), int(np.isin(said, favourites[:3]).sum()))


def most_frequent(examples: Examples, count: int = 3) -> NDArray[np.int64]:
    """The ids of the words that are said most often."""
    labels = examples["label"]
    return np.argsort(-np.bincount(labels[labels >= SPECIAL]), kind="stable")[:count]


def plan_logits(runtime: PlanRuntime) -> Logits:
    """What a plan foretells, with the weights that are in it."""

    def logits(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        (found,) = runtime.infer({"ids": ids}).values()
        return found

    return logits


def keras_logits(model: Any) -> Logits:
    """What a Keras model foretells."""

    def logits(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.asarray(model.predict_on_batch(ids))
        return found

    return logits


def _recall(logits: NDArray[np.float32], labels: NDArray[np.int32]) -> Recall:
    known = labels >= SPECIAL
    found, said = logits[known], labels[known]
    better = found[:, SPECIAL:] > np.take_along_axis(found, said[:, np.newaxis], axis=1)
    places = better.sum(axis=1)
    return Recall(int((labels >= UNKNOWN).sum()), int((places < 1).sum()), int((places < 3).sum()))  # noqa: PLR2004
