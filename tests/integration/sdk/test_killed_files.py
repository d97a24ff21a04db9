"""Killed at any instant: what was told to be done is there, and of what was not, all or nothing."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldfare.sdk import ExampleStore, Ledger, TensorSpec
from fieldfare.sdk.device import DeviceFolder
from fieldfare.sdk.store import StoredExample
from tests.support import short_lived_store
from tests.support.short_lived_store import KEEP_ROWS, START, WEIGHTS, change_ledger, change_store, now

STEPS = 120


class Killer:
    """Gives files short lives: of a few steps each, however fast the machine is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._chance = random.Random(7712)  # noqa: S311
        self._longest_s = 0.02

    def life(self, what: str, path: Path, step: int) -> int:
        """Returns how many steps it told of."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {path} {step} {self._chance.uniform(0, self._longest_s)}\n")
        self._process.stdin.flush()
        done = int(self._process.stdout.readline())
        self._longest_s *= 0.8 if done > 3 else 1.0 if done else 1.15
        return done


@pytest.fixture
def killer() -> Iterator[Killer]:
    command = [sys.executable, "-m", short_lived_store.__name__]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def content(store: ExampleStore) -> list[tuple[object, ...]]:
    def plain(one: StoredExample) -> tuple[object, ...]:
        return one.number, one.collection, one.key, one.held_out, one.tensors["x"].tolist()

    return [plain(one) for one in store.stored()]


def test_a_store(killer: Killer, tmp_path: Path) -> None:
    path, twin_path = tmp_path / "s.db", tmp_path / "twin.db"
    ExampleStore.create(path, (TensorSpec("x", "float32", (2,)),), held_out_share=0.25, now=now).close()
    # A twin with the same salt, which nobody kills.
    shutil.copy(path, twin_path)
    step = 0
    with ExampleStore.open(twin_path, now=now) as twin:
        while step < STEPS:
            done = killer.life("store", path, step)
            for number in range(step, step + done):
                change_store(twin, number)
            step += done
            with ExampleStore.open(path, now=now) as store:
                found, limits = content(store), store.limits
                if (found, limits) != (content(twin), twin.limits):
                    # The step that was under way was finished, and the process was killed before it told so.
                    change_store(twin, step)
                    step += 1
                assert (found, limits) == (content(twin), twin.limits)
                assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert store.count(True) == sum(bool(one[3]) for one in found)
    left = {one.name for one in tmp_path.iterdir()}
    assert left <= {f"{name}.db{more}" for name in ("s", "twin") for more in ("", "-wal", "-shm")}


def test_models_and_own_weights(killer: Killer, tmp_path: Path) -> None:
    folder = DeviceFolder(tmp_path, create=True)
    step = 1
    while step < STEPS:
        step += killer.life("models", tmp_path, step)
        folder.acquire()
        folder.lock.release()
        assert {one.name for one in tmp_path.iterdir()} <= {"lock", "current.json", "personal"}
        models, record = folder.models, folder.personal.record()
        if models.current is None or record is None:
            assert step == 1
            continue
        # The step that was under way had come to the checkpoint, or to the weights over it, or to neither.
        assert record.version in {step - 1, step}
        assert models.current.version in {step - 1, step}
        assert models.current.version >= record.version
        if models.previous is not None:
            assert models.previous.version == models.current.version - 1
        if record.kept:
            specs, vector = folder.personal.weights(record)
            assert specs == (WEIGHTS,)
            assert set(vector.tolist()) == {float(record.version)}
        step = record.version + 1


def test_a_ledger(killer: Killer, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    step = 0
    while step < STEPS:
        step += killer.life("ledger", path, step)
        with Ledger.open(path, keep_rows=KEEP_ROWS) as ledger:
            assert ledger.verify() is None
            assert len(ledger) in {step, step + 1}
            step = len(ledger)
            assert ledger.total_bytes() == sum(range(100, 100 + step))
            assert step == 0 or ledger.summary().first == START
    with Ledger.open(tmp_path / "twin.db", keep_rows=KEEP_ROWS) as twin:
        for number in range(step):
            change_ledger(twin, number)
        with Ledger.open(path, keep_rows=KEEP_ROWS) as ledger:
            assert list(ledger) == list(twin)
            assert list(ledger.history()) == list(twin.history())
