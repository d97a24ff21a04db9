"""Which plan and checkpoint were the last to load well: what a device predicts with, and what it can fall back to."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldfare.core.errors import StorageError
from fieldfare.core.files import OWNER_ONLY, write_atomically

_LOG = logging.getLogger("fieldfare.sdk")


@dataclass(frozen=True, slots=True)
class Current:
    """A pair that fits together.

    Attributes:
        plan: hexadecimal digest.
        checkpoint: hexadecimal digest.
        version: of the checkpoint.
        task: the task's id.
    """

    plan: str
    checkpoint: str
    version: int
    task: str


@dataclass(frozen=True, slots=True)
class Models:
    """The pairs that a device keeps.

    Attributes:
        current: the last that loaded well; None before the first round.
        previous: the one before it, of whatever task.
        left: digest of a checkpoint that the app fell back from: it does not become the current one again.
    """

    current: Current | None = None
    previous: Current | None = None
    left: str = ""

    @property
    def digests(self) -> frozenset[str]:
        """Of all files that must stay in the cache."""
        pairs = [one for one in (self.current, self.previous) if one is not None]
        return frozenset(digest for one in pairs for digest in (one.plan, one.checkpoint))

    def adopt(self, pair: Current) -> "Models":
        """What is kept once `pair` has loaded well."""
        if self.current is None:
            return Models(pair)
        if pair.checkpoint == self.left:
            return self
        same = (pair.plan, pair.checkpoint) == (self.current.plan, self.current.checkpoint)
        return Models(pair, self.previous if same else self.current, self.left)

    def fall_back(self) -> "Models":
        """What is kept once the app wants the previous pair instead; the same where there is none."""
        if self.current is None or self.previous is None:
            return self
        return Models(self.previous, None, self.current.checkpoint)


def read_models(path: Path) -> Models:
    """The pairs; none before the first round, or where the file is damaged.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        return _from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Models()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError):
        _LOG.warning("%s is damaged; the next round writes it anew", path)
        return Models()


def write_models(path: Path, models: Models) -> None:
    """Replace the pairs at once.

    Raises:
        StorageError: the file cannot be written.
    """
    pairs = {name: one and asdict(one) for name, one in (("current", models.current), ("previous", models.previous))}
    write_atomically(path, json.dumps(pairs | {"left": models.left}).encode(), mode=OWNER_ONLY)


def _from_json(tree: Any) -> Models:
    if not isinstance(tree, dict):
        raise TypeError("not a table")
    # Until 0.1 the file was the pair itself.
    pairs = tree if "current" in tree else {"current": tree}
    current, previous = (None if pairs.get(key) is None else _pair(pairs[key]) for key in ("current", "previous"))
    return Models(current, previous, str(pairs.get("left", "")))


def _pair(tree: Any) -> Current:
    pair = Current(**tree)
    if not all(isinstance(value, str) for value in (pair.plan, pair.checkpoint, pair.task)):
        raise TypeError("not a pair")
    return pair
