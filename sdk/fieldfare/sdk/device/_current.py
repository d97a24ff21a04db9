"""Which plan and checkpoint were the last to load well: what a device predicts with."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

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


def read_current(path: Path) -> Current | None:
    """The pair; None before the first round, or where the file is damaged.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        return Current(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError):
        _LOG.warning("%s is damaged; the next round writes it anew", path)
        return None


def write_current(path: Path, current: Current) -> None:
    """Replace the pair at once.

    Raises:
        StorageError: the file cannot be written.
    """
    write_atomically(path, json.dumps(asdict(current)).encode(), mode=OWNER_ONLY)
