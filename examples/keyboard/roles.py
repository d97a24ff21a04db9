"""The data: what each role of the plays says, and who gave the words of the vocabulary."""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.keyboard.words import VOCABULARY_SIZE, Vocabulary
from fieldfare.core.errors import DataError, NotFoundError

DONOR_SHARE = 5
"""One role of so many gives its words for the vocabulary."""

_DONOR_SOURCES = 2


@dataclass(frozen=True, slots=True)
class Role:
    """One role of a play: one device.

    Attributes:
        name: play and role.
        training: the first 80 % of what it says, a message each.
        held_out: the rest, which nothing trains on.
    """

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]


def read_roles(path: Path) -> list[Role]:
    """The roles of `shakespeare_roles.jsonl.gz`, in the file's order.

    Raises:
        NotFoundError: no such file.
        DataError: another kind of file.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [_role(json.loads(line)) for line in lines]
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no file of roles: one JSON object a line with user, lines and n_train") from error


def public_vocabulary(roles: Sequence[Role], *, size: int = VOCABULARY_SIZE) -> Vocabulary:
    """The vocabulary that every device gets, from the training lines of those roles that give theirs.

    A word must be said by two of them, so that nobody's own word gets in. Which roles give follows from their names.
    """
    donors = [role.training for role in roles if zlib.crc32(role.name.encode()) % DONOR_SHARE == 0]
    return Vocabulary.of(donors, size=size, min_sources=min(_DONOR_SOURCES, len(donors)))


def _role(entry: dict[str, object]) -> Role:
    lines, count = entry["lines"], entry["n_train"]
    if not isinstance(lines, list) or not isinstance(count, int):
        raise TypeError
    return Role(str(entry["user"]), tuple(map(str, lines[:count])), tuple(map(str, lines[count:])))
