"""Words, the vocabulary, and the examples that are made of messages."""

from pathlib import Path

import pytest

from examples.keyboard.words import LENGTH, Vocabulary, context_of, examples_of, words_of
from fieldfare.core.errors import DataError, NotFoundError

LETTERS = Vocabulary(("a", "b", "c"))
A, B, C = 3, 4, 5


def test_words_are_letters_in_lower_case() -> None:
    found = words_of("Wilt thou, 2 times, say 'AY'? O\u2019er the o'erjoy\u00e9d; rock-'n'-roll_x")
    assert found == ["wilt", "thou", "times", "say", "ay", "o'er", "the", "o'erjoy\u00e9d", "rock", "n", "roll", "x"]
    assert words_of("12, ...") == []


def test_the_vocabulary_is_what_several_sources_say_most_often() -> None:
    texts = [["to be to", "secret secret secret"], ["be to"], ["or be"]]
    assert Vocabulary.of(texts, size=100).words == ("be", "secret", "to", "or")
    assert Vocabulary.of(texts, size=100, min_sources=2).words == ("be", "to")
    # Padding, the beginning of a message and the unknown word take three ids.
    assert Vocabulary.of(texts, size=4, min_sources=2).words == ("be",)
    with pytest.raises(DataError, match="needs words"):
        Vocabulary.of([["..."]], size=10)


def test_a_vocabulary_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_text("\n".join(LETTERS.words))
    assert Vocabulary.read(path) == LETTERS
    assert len(LETTERS) == 6
    with pytest.raises(NotFoundError, match="there is no vocabulary"):
        Vocabulary.read(tmp_path / "absent")
    for wrong in (b"", b"a\na", b"two words", b"Upper", b"\xff\xfe"):
        path.write_bytes(wrong)
        with pytest.raises(DataError):
            Vocabulary.read(path)


def test_messages_follow_each_other_and_padding_fills_the_last_example() -> None:
    found = examples_of(LETTERS, ["a b", "...", "z c"])
    assert found["ids"].shape == found["label"].shape == (1, LENGTH)
    assert found["ids"][0, :6].tolist() == [1, A, B, 1, 2, 0]
    assert found["label"][0, :6].tolist() == [A, B, 1, 2, C, 0]
    assert not found["ids"][0, 5:].any()
    assert not found["label"][0, 5:].any()
    assert found["ids"].dtype == found["label"].dtype == "int32"


def test_a_long_text_is_cut_and_no_word_is_lost() -> None:
    found = examples_of(LETTERS, ["a " * (2 * LENGTH)])
    assert found["ids"].shape == (2, LENGTH)
    assert found["label"].tolist() == [[A] * LENGTH] * 2
    assert found["ids"].ravel().tolist() == [1] + [A] * (2 * LENGTH - 1)
    assert examples_of(LETTERS, ["..."])["ids"].shape == (0, LENGTH)


def test_a_context_ends_with_the_newest_word() -> None:
    context, place = context_of(LETTERS, "b c")
    assert context["ids"].tolist() == [[1, B, C] + [0] * (LENGTH - 3)]
    assert place == 2
    context, place = context_of(LETTERS, "a " * 40 + "b")
    assert context["ids"].tolist() == [[A] * (LENGTH - 1) + [B]]
    assert place == LENGTH - 1
