"""Text as numbers: words, the vocabulary, and the examples that the model trains on."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fieldfare.core.errors import DataError, NotFoundError, StorageError
from fieldfare.core.plans import Examples

PADDING, START, UNKNOWN = 0, 1, 2
"""Ids that are no words: what fills an example up, where a message begins, a word outside of the vocabulary."""

SPECIAL = 3
"""The first id of a word."""

LENGTH = 16
"""Places of one example."""

VOCABULARY_SIZE = 5000
"""Ids of the full model, those that are no words included."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case; figures and punctuation are none."""
    return _WORD.findall(text.replace("\u2019", "'").lower())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which words the model knows; the id of a word is its place plus `SPECIAL`.

    Attributes:
        words: the most frequent one first.

    Raises:
        DataError: no words, one twice, or something that `words_of` would not give.
    """

    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {word: place for place, word in enumerate(self.words, start=SPECIAL)}
        if not ids or len(ids) != len(self.words) or any(words_of(word) != [word] for word in self.words):
            raise DataError("a vocabulary needs words in lower case, each of them once")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def of(cls, texts: Iterable[Iterable[str]], *, size: int, min_sources: int = 1) -> "Vocabulary":
        """The most frequent words of public texts; between equals the alphabet decides.

        Args:
            texts: the messages of each source.
            size: ids at the most, those that are no words included.
            min_sources: a word must be in the texts of so many sources.
        """
        counts: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for messages in texts:
            own = Counter(word for message in messages for word in words_of(message))
            counts.update(own)
            sources.update(own.keys())
        known = [word for word in counts if sources[word] >= min_sources]
        return cls(tuple(sorted(known, key=lambda word: (-counts[word], word))[: size - SPECIAL]))

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a file with one word a line.

        Raises:
            NotFoundError: no such file.
            StorageError: it cannot be read.
            DataError: it is no list of words.
        """
        try:
            return cls(tuple(path.read_text("utf-8").splitlines()))
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no vocabulary {path}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no list of words in UTF-8") from error
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error

    def __len__(self) -> int:
        """Number of ids, those that are no words included."""
        return len(self.words) + SPECIAL

    def ids(self, text: str) -> list[int]:
        """The ids of the words of a message, `START` before them."""
        return [START, *(self._ids.get(word, UNKNOWN) for word in words_of(text))]

    def word(self, number: int) -> str:
        """The word of an id from `SPECIAL` on."""
        return self.words[number - SPECIAL]


def examples_of(vocabulary: Vocabulary, messages: Iterable[str]) -> Examples:
    """Messages one after the other, cut into examples of `LENGTH` places.

    Returns:
        "ids" and "label", each `(n, LENGTH)` int32: a word, and the one after it. Behind the last word of a message
        comes the `START` of the next one; after the last message of all nothing is to be foretold. `n` is 0 where the
        messages hold no word.
    """
    stream = [number for message in messages if len(ids := vocabulary.ids(message)) > 1 for number in ids]
    places = max(0, len(stream) - 1)
    rows = -(-places // LENGTH)
    found = np.full((2, rows * LENGTH), PADDING, np.int32)
    found[0, :places], found[1, :places] = stream[:places], stream[1:]
    said, following = found.reshape(2, rows, LENGTH)
    return {"ids": said, "label": following}


def context_of(vocabulary: Vocabulary, message: str) -> tuple[Examples, int]:
    """What the model is asked with, to foretell the word behind a message that is being typed.

    Returns:
        "ids" `(1, LENGTH)` int32, the newest words where the message is longer; and the place that foretells.
    """
    newest = vocabulary.ids(message)[-LENGTH:]
    ids = np.full((1, LENGTH), PADDING, np.int32)
    ids[0, : len(newest)] = newest
    return {"ids": ids}, len(newest) - 1


def joined(parts: Sequence[Examples]) -> Examples:
    """Examples of several sources as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in ("ids", "label")}
