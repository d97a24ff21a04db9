"""An engine over real storage, with a clock that a test moves and failures that a test orders."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.aggregator import ServerSettings
from fieldfare.aggregator.engine import Engine, Event, Incoming, Standing
from fieldfare.aggregator.storage import FolderBlobStore, open_sqlite
from fieldfare.core.encodings import encode_update
from fieldfare.core.errors import StorageError
from fieldfare.core.metrics import MetricSum, metrics_to_proto
from fieldfare.core.tasks import DEVICE_ALGORITHMS, CohortSpec, TaskSpec
from fieldfare.core.weights import TensorSpec, pack_weights, sha256, specs_to_proto, unpack_weights
from fieldfare.protos.v1 import admin_pb2, aggregator_pb2, task_pb2, tensors_pb2
from tests.support.hollow_plan import hollow_plan

SPECS = (TensorSpec("dense/kernel", "float32", (2, 1)), TensorSpec("dense/bias", "float32", (1,)))
CAPABILITIES = aggregator_pb2.Capabilities(
    protocol_version=1, encoding_stages=["float32"], algorithms=[one.value for one in DEVICE_ALGORITHMS]
)


PLAN = hollow_plan(SPECS)


def device_id(index: int) -> bytes:
    return hashlib.sha256(index.to_bytes(4, "little")).digest()[:16]


COHORT = CohortSpec(4, 2, 1.5, timedelta(seconds=100), timedelta(seconds=60))
SPEC = TaskSpec("t", "p", rounds=2, training=COHORT, evaluation=COHORT, evaluate_every=0)


class FlakyBlobs:
    """A blob store whose disk is full on demand."""

    def __init__(self, inner: FolderBlobStore) -> None:
        self._inner = inner
        self.full = False
        self.unreadable = ""
        self.undeletable: tuple[str, ...] = ()

    def delete(self, key: str) -> None:
        if key in self.undeletable:
            raise StorageError(f"cannot remove the blob {key}: Input/output error")
        self._inner.delete(key)

    def get(self, key: str) -> bytes:
        if self.unreadable and key.startswith(self.unreadable):
            raise StorageError(f"cannot read the blob {key}: Too many open files")
        return self._inner.get(key)

    def put(self, key: str, parts: Any) -> None:
        if self.full:
            raise StorageError("cannot write: No space left on device")
        self._inner.put(key, parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FlakyDatabase:
    """A data base that fails before a write, or loses the answer after it, as often as it is told.

    `lose` names the methods of which the next answer is lost.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.before = 0
        self.after = 0
        self.blind = 0
        self.lose: set[str] = set()

    def snapshot(self, *args: Any) -> Any:
        if self.blind:
            self.blind -= 1
            raise StorageError("cannot read the data base: disk I/O error")
        return self._inner.snapshot(*args)

    @property
    def parts(self) -> Any:
        return FlakyParts(self)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in {"save_snapshot", "commit_round", "abandon_round", "begin_round"} | self.lose:
            return method
        return self.flaky(method, name)

    def flaky(self, method: Any, name: str) -> Any:
        def flaky(*args: Any, **named: Any) -> Any:
            if self.before:
                self.before -= 1
                raise StorageError("cannot write to the data base: disk I/O error")
            result = method(*args, **named)
            if self.after or name in self.lose:
                self.after = max(self.after - 1, 0)
                self.lose.discard(name)
                raise StorageError("the answer was lost")
            return result

        return flaky


class FlakyParts:
    """The same for what replicas write together."""

    def __init__(self, database: FlakyDatabase) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._database._inner.parts, name)
        return self._database.flaky(method, name) if name in {"save", "commit", "abandon", "claim"} else method


@dataclass
class Work:
    """An assignment as a device holds it."""

    device: bytes
    assignment: aggregator_pb2.Assignment

    @property
    def number(self) -> int:
        return self.assignment.round_number


class World:
    def __init__(self, folder: Path, settings: ServerSettings | None = None, replica: str = "") -> None:
        self.replica, self.lives = replica, 0
        self.folder = folder
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.settings = settings or ServerSettings()
        self.uniform: Callable[[], float] = lambda: 0.5
        self.events: list[Event] = []
        self.observer: Callable[[Event], None] = self.events.append
        self.task_id = ""
        (folder / "incoming").mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self, unreadable: str = "") -> None:
        self.database = FlakyDatabase(open_sqlite(self.folder / "fieldfare.db"))
        self.blobs = FlakyBlobs(FolderBlobStore(self.folder / "blobs", shared=bool(self.replica)))
        self.lives += 1
        self.blobs.unreadable = unreadable
        self.engine = Engine(
            self.database,
            self.blobs,  # type: ignore[arg-type]
            self.settings,
            clock=lambda: self.now,
            uniform=lambda: self.uniform(),  # noqa: PLW0108 - a test may replace it later
            observer=self._observe,
            scratch=self.folder / "incoming",
            replica=self.replica and f"{self.replica}-{self.lives}",
        )
        self.engine.start()

    def _observe(self, event: Event) -> None:
        self.observer(event)

    def restart(self, unreadable: str = "") -> None:
        """Without warning: nothing of the old engine's memory is written. Blobs under `unreadable` cannot be read."""
        self.database.close()
        self.start(unreadable)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def submit(self, spec: TaskSpec, weights: Any = (1.0, 2.0, 3.0), plan: bytes = PLAN, **wrong: Any) -> str:
        checkpoint = wrong.get("checkpoint") or pack_weights(SPECS, np.array(weights, np.float32))
        header = admin_pb2.SubmitTaskHeader(
            spec=spec.to_proto(),
            plan=tensors_pb2.ArtifactRef(sha256=sha256(plan), size_bytes=len(plan)),
            checkpoint=tensors_pb2.ArtifactRef(sha256=sha256(checkpoint), size_bytes=len(checkpoint)),
        )
        bound = self.settings.limits.max_artifact_bytes
        with Incoming(self.folder / "incoming", header, max_artifact_bytes=bound) as incoming:
            incoming.write(wrong.get("sent", plan + checkpoint))
            self.task_id = self.engine.submit(incoming).task_id
        self.engine.work(self.task_id)
        return self.task_id

    def work(self) -> bool:
        """Whether everything could be written."""
        try:
            self.engine.work(self.task_id)
        except StorageError:
            return False
        return True

    def ask(self, index: int, population: str = "p", **capabilities: Any) -> aggregator_pb2.CheckInResponse:
        offered = aggregator_pb2.Capabilities(**capabilities) if capabilities else CAPABILITIES
        request = aggregator_pb2.CheckInRequest(population=population, device_id=device_id(index), capabilities=offered)
        return self.engine.check_in(request)

    def check_in(self, index: int) -> Work | None:
        answer = self.ask(index)
        return Work(device_id(index), answer.assignment) if answer.WhichOneof("answer") == "assignment" else None

    def header(self, work: Work, count: int = 2, **changes: Any) -> aggregator_pb2.ReportHeader:
        assignment = work.assignment
        header = aggregator_pb2.ReportHeader(
            ticket=assignment.ticket,
            device_id=work.device,
            outcome=aggregator_pb2.OUTCOME_DONE,
            example_count=count,
            metrics=metrics_to_proto(
                {"loss": MetricSum(0.5 * count, count), "accuracy": MetricSum(0.9 * count, count)}
            ),
        )
        if assignment.kind == task_pb2.ROUND_KIND_TRAINING:
            header.tensors.extend(specs_to_proto(SPECS))
            header.encoding.CopyFrom(assignment.encoding)
            header.payload_bytes = 12
        for name, value in changes.items():
            setattr(header, name, value)
        return header

    def report(self, work: Work, vector: Any = (0.5, -0.5, 0.25), count: int = 2) -> bool:
        """Whether it was added in memory. Raises `UpdateError` where it is refused. SCAFFOLD: six values."""
        header, parts = self.header(work, count), len(vector) // 3
        header.payload_bytes *= parts
        ticket = self.engine.reports.read_ticket(header)
        if self.standing(work) is not Standing.ABSENT:
            return False
        admission = self.engine.reports.admit(ticket, header)
        if admission is None:
            return False
        payload = b""
        if header.payload_bytes:
            payload = encode_update(work.assignment.encoding, np.array(vector, np.float32), parts=parts)
        return self.engine.reports.add(admission, payload, sha256(payload))

    def standing(self, work: Work) -> Standing:
        ticket = self.engine.reports.read_ticket(self.header(work))
        standing = self.engine.reports.standing(ticket)
        return self.engine.reports.standing_on_disk(ticket) if standing is Standing.UNSURE else standing

    def withdraw(self, work: Work) -> None:
        self.engine.reports.withdraw(self.engine.reports.read_ticket(self.header(work)))

    def status(self) -> task_pb2.TaskStatus:
        return self.engine.get_task(self.task_id, 0)

    def weights(self, version: int | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
        checkpoint = self.status().checkpoint
        assert version is None or self.status().checkpoint_version == version
        return unpack_weights(self.blobs.get(f"artifacts/{checkpoint.sha256.hex()}"))[1]

    def optimizer_state(self) -> bytes | None:
        """The weights file beside the newest checkpoint."""
        state = self.database.newest_checkpoint(self.task_id).optimizer_state
        return None if state is None else self.blobs.get(f"artifacts/{state.hex}")

    def snapshots(self) -> list[str]:
        return self.keys("snapshots/")

    def keys(self, prefix: str) -> list[str]:
        return [key for key in iter(self.blobs.keys()) if key.startswith(prefix)]


def everything_written(folder: Path) -> bytes:
    """All bytes of all files: to search for what must not be there."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def check_in_all(world: World, count: int, start: int = 0) -> list[Work]:
    works = [world.check_in(index) for index in range(start, start + count)]
    assert all(work is not None for work in works)
    return [work for work in works if work is not None]
