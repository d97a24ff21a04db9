"""Drafts, suggestions, and the keystrokes that they save."""

import numpy as np
import pytest

from examples.keyboard.app.typing import Keystrokes, accepted, split_draft, suggested
from examples.keyboard.words import Vocabulary

WORDS = Vocabulary(("to", "the", "thou", "o'er", "be"))


@pytest.mark.parametrize(
    ("draft", "parts"),
    [
        ("", ("", "")),
        ("to be", ("to ", "be")),
        ("to be ", ("to be ", "")),
        ("to be,", ("to be,", "")),
        ("2", ("2", "")),
        ("o'", ("", "o'")),
        ("fly o\u2019e", ("fly ", "o\u2019e")),
    ],
)
def test_a_draft_has_a_finished_part_and_a_word_that_is_begun(draft: str, parts: tuple[str, str]) -> None:
    assert split_draft(draft) == parts


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        ("", ("be", "thou", "the")),
        ("T", ("thou", "the", "to")),
        ("th", ("thou", "the")),
        ("the", ()),
        ("o\u2019", ("o'er",)),
        ("x", ()),
    ],
)
def test_the_likeliest_longer_words_are_suggested_and_nothing_that_is_no_word(begun: str, words: tuple[str]) -> None:
    logits = np.array([99, 98, 97, 1, 2, 3, 0, 4], np.float32)
    assert suggested(WORDS, logits, begun) == words


def test_an_accepted_word_takes_the_place_of_its_beginning() -> None:
    assert accepted("to be", "be") == "to be "
    assert accepted("To T", "thou") == "To Thou "
    assert accepted("to ", "thou") == "to thou "
    assert accepted("O\u2019", "o'er") == "O'er "


def test_keystrokes_are_counted() -> None:
    strokes = Keystrokes().typed(3).accepted("fly th", "thou")
    # "ou " came with one key: three letters for one.
    assert strokes == Keystrokes(pressed=4, saved=2)
    assert strokes.share == pytest.approx(2 / 6)
    assert Keystrokes().share == 0
