"""Recall, by hand."""

import numpy as np
import pytest

from examples.keyboard.experiment.measure import Recall, most_frequent, recall_of, recall_of_words, total

# The last place is padding, the one before it the beginning of a message; 2 is a word outside of the vocabulary.
LABELS = np.array([[3, 4, 2, 1, 0], [7, 3, 5, 1, 0]], np.int32)
EXAMPLES = {"ids": np.zeros_like(LABELS), "label": LABELS}


def test_only_words_count_and_only_words_are_suggested() -> None:
    def logits(ids: np.ndarray) -> np.ndarray:
        # In this order: the three that are no words, then 3, 4, 5, 6, 7.
        return np.broadcast_to(np.float32([9, 9, 9, 5, 4, 3, 2, 1]), (*ids.shape, 8))

    found = recall_of(logits, EXAMPLES)
    # Six words: 3, 4, unknown, 7, 3, 5. First is always 3; the first three are 3, 4, 5.
    assert found == Recall(words=6, first=2, among_three=4)
    assert found.top1 == pytest.approx(2 / 6)
    assert found.top3 == pytest.approx(4 / 6)
    assert recall_of_words(np.array([3, 4, 5]), EXAMPLES) == found


def test_examples_are_measured_in_parts() -> None:
    many = {name: np.tile(array, (100, 1)) for name, array in EXAMPLES.items()}
    seen: list[int] = []

    def logits(ids: np.ndarray) -> np.ndarray:
        seen.append(len(ids))
        return np.broadcast_to(np.float32([0, 0, 0, 1, 0, 0, 0, 2]), (*ids.shape, 8))

    assert recall_of(logits, many).first == 100
    assert sum(seen) == 200
    assert max(seen) < 100


def test_the_most_frequent_words() -> None:
    assert most_frequent(EXAMPLES).tolist() == [3, 4, 5]
    assert total([Recall(1, 1, 1), Recall(2, 0, 1)]) == Recall(3, 1, 2)
