"""Training that rests on disk until its conditions hold again."""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.files import OWNER_ONLY, load_npz, remove_durably, write_atomically
from fieldfare.core.plans import Examples, count_rows, take_rows
from fieldfare.core.sessions import Assignment
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.sdk.pace import Moment, elapsed
from fieldfare.sdk.training._progress import Progress, generator_at
from fieldfare.sdk.training._trainer import Trained

_LOG = logging.getLogger("fieldfare.sdk")
_META, _STATE = "meta", "state/"


class Resting(Exception):  # noqa: N818 - it is a signal, not a failure
    """Training was interrupted, and is kept: it goes on when the same assignment is taken up again."""


@dataclass(frozen=True, slots=True)
class Rested:
    """What is kept of interrupted training.

    Attributes:
        rows: the oldest so many of the examples were trained on.
        spent_s: how long that took.
        progress: where to go on; None before training began, or where it is complete.
        trained: the result, where only measuring was left to do.
    """

    rows: int
    spent_s: float = 0.0
    progress: Progress | None = None
    trained: Trained | None = None


class RestFile:
    """`resting.npz` of a device's folder: there from an interruption to the report, or to the end of its time.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_empty(self) -> bool:
        """Whether no training rests. Does not read it."""
        return not self._path.exists()

    def keep(self, content: Mapping[str, NDArray[Any]]) -> None:
        """Replace it.

        Raises:
            StorageError: the file cannot be written.
        """
        buffer = io.BytesIO()
        np.savez(buffer, **content)  # type: ignore[arg-type]
        write_atomically(self._path, [buffer.getbuffer()], mode=OWNER_ONLY)

    def read(self) -> dict[str, NDArray[Any]] | None:
        """What is kept; None where nothing is, or where the file is damaged, which is removed then.

        Raises:
            StorageError: the file cannot be removed.
        """
        try:
            return load_npz(self._path)
        except NotFoundError:
            return None
        except DataError:
            self.give_up("is damaged")
            return None

    def give_up(self, why: str) -> None:
        """Remove it with a warning.

        Raises:
            StorageError: it cannot be removed.
        """
        _LOG.warning("%s %s: the training that rested there is given up", self._path, why)
        self.forget()

    def forget(self) -> None:
        """Remove it where it is there.

        Raises:
            StorageError: it cannot be removed.
        """
        if not self.is_empty:
            remove_durably(self._path)


@dataclass(frozen=True, slots=True)
class Rest:
    """Where the training of one assignment may rest.

    Attributes:
        file: where it is kept.
        now: the moment, for a later process to measure from.
        left: how long the assignment lasts from now.
    """

    file: RestFile
    now: Callable[[], Moment]
    left: Callable[[], timedelta]

    def take(self, assignment: Assignment, local: LocalTrainingSpec, examples: Examples) -> Rested | None:
        """What rests of the same work on the same examples; None where there is none. Anything else is removed.

        Examples that came later do not matter, as long as the old ones are still the first.

        Raises:
            StorageError: the file cannot be removed.
        """
        content = self.file.read()
        if content is None:
            return None
        try:
            meta = json.loads(content[_META].tobytes())
            rows = int(meta["rows"])
            same = meta["work"] == _work(assignment, local)
            if same and 0 < rows <= count_rows(examples) and meta["examples"] == _digest(examples, rows):
                return _rested(meta, content)
        except (ValueError, TypeError, KeyError):
            self.file.give_up("is damaged")
            return None
        self.file.give_up("is of other work, or of examples that have changed")
        return None

    def keep(self, rested: Rested, assignment: Assignment, local: LocalTrainingSpec, examples: Examples) -> None:
        """Write it to disk.

        Raises:
            StorageError: the file cannot be written.
        """
        now, progress, trained = self.now(), rested.progress, rested.trained
        meta: dict[str, Any] = {
            "work": _work(assignment, local),
            "examples": _digest(examples, rested.rows),
            "rows": rested.rows,
            "spent_s": rested.spent_s,
            "since": asdict(now) | {"wall": now.wall.isoformat()},
            "left_s": self.left().total_seconds(),
        }
        content: dict[str, NDArray[Any]] = {}
        if progress is not None:
            names = ("order", "steps", "loss_sum", "seen")
            meta["progress"] = {name: getattr(progress, name) for name in names}
            content = {"vector": progress.vector} | {_STATE + name: one for name, one in progress.state.items()}
        elif trained is not None:
            meta["trained"] = {name: getattr(trained, name) for name in ("loss", "example_count", "steps")}
            content = {"vector": trained.vector}
        content[_META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        self.file.keep(content)


def clear_overdue(file: RestFile, now: Moment) -> None:
    """Remove training whose assignment has ended, as far as can be told.

    Raises:
        StorageError: the file cannot be removed.
    """
    content = None if file.is_empty else file.read()
    if content is None:
        return
    try:
        meta = json.loads(content[_META].tobytes())
        since = meta["since"]
        then = Moment(datetime.fromisoformat(since["wall"]), str(since["start"]), float(since["running_s"]))
        passed, left = elapsed(then, now), timedelta(seconds=meta["left_s"])
    except (ValueError, TypeError, KeyError, OverflowError):
        file.give_up("is damaged")
        return
    if passed is None or passed >= left:
        file.give_up("is too old")


def _work(assignment: Assignment, local: LocalTrainingSpec) -> str:
    """What has to be the same for training to go on."""
    artifacts = [assignment.plan, assignment.checkpoint, *filter(None, [assignment.control])]
    parts = [
        assignment.task_id.encode(),
        str(assignment.round_number).encode(),
        assignment.algorithm.name.encode(),
        local.to_proto().SerializeToString(deterministic=True),
        *(one.sha256 for one in artifacts),
    ]
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "little") + part for part in parts)).hexdigest()


def _digest(examples: Examples, rows: int) -> str:
    """Of the first rows. It does not leave the device, and is removed with the rest."""
    digest = hashlib.sha256()
    for name, array in sorted(take_rows(examples, slice(0, rows)).items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _rested(meta: Mapping[str, Any], content: Mapping[str, NDArray[Any]]) -> Rested:
    rows, spent_s = int(meta["rows"]), float(meta["spent_s"])
    if (kept := meta.get("progress")) is not None:
        generator_at(kept["order"])
        state = {name.removeprefix(_STATE): one for name, one in content.items() if name.startswith(_STATE)}
        done = (int(kept["steps"]), float(kept["loss_sum"]), int(kept["seen"]))
        return Rested(rows, spent_s, Progress(content["vector"], state, kept["order"], *done))
    if (kept := meta.get("trained")) is not None:
        found = Trained(content["vector"], float(kept["loss"]), int(kept["example_count"]), int(kept["steps"]))
        return Rested(rows, spent_s, trained=found)
    return Rested(rows, spent_s)
