"""What a draft is, what is suggested for it, and which keystrokes that saves: values in, values out."""

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.words import SPECIAL, Vocabulary

SUGGESTIONS = 3
_UNFINISHED = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]*)*$")


def split_draft(draft: str) -> tuple[str, str]:
    """What is finished, and the letters of the word that is being typed, which may be none."""
    found = _UNFINISHED.search(draft)
    return (draft, "") if found is None else (draft[: found.start()], found.group())


def suggested(vocabulary: Vocabulary, logits: NDArray[np.float32], begun: str) -> tuple[str, ...]:
    """Up to three words, the likeliest first, that begin as the unfinished word does and are longer.

    Args:
        vocabulary: whose ids `logits` are for.
        logits: `(ids,)`, of the word behind what is finished.
        begun: the unfinished word.
    """
    letters = begun.replace("\u2019", "'").lower()
    found: list[str] = []
    for number in np.argsort(-logits[SPECIAL:], kind="stable"):
        word = vocabulary.word(int(number) + SPECIAL)
        if word.startswith(letters) and word != letters:
            found.append(word)
        if len(found) == SUGGESTIONS:
            break
    return tuple(found)


def accepted(draft: str, word: str) -> str:
    """The draft with the word in place of the unfinished one, and a space behind it."""
    finished, begun = split_draft(draft)
    return f"{finished}{begun[:1] if begun[:1].isupper() else word[:1]}{word[1:]} "


@dataclass(frozen=True, slots=True)
class Keystrokes:
    """How much typing the suggestions spared.

    Attributes:
        pressed: keys that were pressed, those that accept a suggestion included.
        saved: letters and spaces that need not be typed, less the keys that accepted them.
    """

    pressed: int = 0
    saved: int = 0

    def typed(self, count: int = 1) -> "Keystrokes":
        """After so many letters."""
        return replace(self, pressed=self.pressed + count)

    def accepted(self, draft: str, word: str) -> "Keystrokes":
        """After a suggestion was accepted with one key."""
        spared = len(accepted(draft, word)) - len(draft) - 1
        return Keystrokes(self.pressed + 1, self.saved + spared)

    @property
    def share(self) -> float:
        """Saved of all that would have been pressed, 0 to 1."""
        return self.saved / max(1, self.pressed + self.saved)
