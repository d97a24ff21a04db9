"""The file of a device's own weights: one line of JSON, then a weights file; replaced as a whole."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import StorageError, WeightsError
from fieldfare.core.files import OWNER_ONLY, remove_durably, write_atomically
from fieldfare.core.weights import TensorSpec, pack_weights, unpack_weights

_LOG = logging.getLogger("fieldfare.sdk")
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class PersonalRecord:
    """What became of the last personalisation.

    Attributes:
        plan: hexadecimal digest.
        checkpoint: hexadecimal digest of the shared weights that it began with, and rests on.
        version: of that checkpoint.
        task: the task's id.
        kept: whether the device predicts with the result.
        detail: why, in words.
        tensors: names of the weights that were adapted.
        examples: how many were trained on.
        held_out: how many it was measured with.
        shared: means of loss and metrics over the held-out examples with the shared weights.
        own: the same with the adapted ones.
        settings: `Personal.digest` of what was asked for.
        made_at: ISO 8601, UTC.
        sha256: hexadecimal digest of the weights that follow; empty where none were kept.
    """

    plan: str
    checkpoint: str
    version: int
    task: str
    kept: bool
    detail: str
    tensors: tuple[str, ...]
    examples: int
    held_out: int
    shared: Mapping[str, float]
    own: Mapping[str, float]
    settings: str
    made_at: str
    sha256: str = ""


class PersonalFile:
    """The file. Reading it needs no lock.

    Args:
        path: where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self) -> PersonalRecord | None:
        """What became of the last personalisation; None where there was none, or the file is damaged.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                line = file.readline(_LONGEST_LINE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            return _from_json(json.loads(line))
        except (ValueError, TypeError):
            _LOG.warning("%s is damaged; the shared model is used until the next personalisation", self._path)
            return None

    def weights(self, record: PersonalRecord) -> tuple[tuple[TensorSpec, ...], NDArray[np.float32]]:
        """The adapted weights of a record that was kept.

        Raises:
            StorageError: the file cannot be read.
            WeightsError: it is damaged, or holds others by now.
        """
        try:
            _, _, content = self._path.read_bytes().partition(b"\n")
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise WeightsError(f"{self._path} is damaged")
        return unpack_weights(content)

    def write(self, record: PersonalRecord, specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> PersonalRecord:
        """Replace the file at once; a record that was not kept stands alone.

        Returns:
            The record with the digest of the weights.

        Raises:
            StorageError: the file cannot be written; the old one is still there.
        """
        content = pack_weights(specs, vector) if record.kept else b""
        digest = hashlib.sha256(content).hexdigest() if record.kept else ""
        made = PersonalRecord(**(_values(record) | {"sha256": digest}))
        write_atomically(self._path, (json.dumps(asdict(made)).encode() + b"\n", content), mode=OWNER_ONLY)
        return made

    def clear(self) -> None:
        """Remove it; the device predicts with the shared weights.

        Raises:
            StorageError: it cannot be removed.
        """
        if self._path.exists():
            remove_durably(self._path)


def _values(record: PersonalRecord) -> dict[str, Any]:
    return {one.name: getattr(record, one.name) for one in fields(record)}


def _from_json(tree: Any) -> PersonalRecord:
    record = PersonalRecord(**tree)
    texts = (record.plan, record.checkpoint, record.task, record.settings, record.sha256, record.detail, record.made_at)
    if not (all(isinstance(one, str) for one in texts) and isinstance(record.kept, bool)):
        raise TypeError("not a record")
    return PersonalRecord(**(_values(record) | {"tensors": tuple(record.tensors)}))
