"""The device's control variates: whole on disk, advanced once a round, never of another plan."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import StorageError
from fieldfare.sdk.controls import ControlStore

PLAN, OTHER = b"p" * 32, b"q" * 32
DELTA = np.array([1.0, -2.0, 0.5], "f4")


def test_a_task_begins_with_zeros_and_adds_each_counted_round_once(tmp_path: Path) -> None:
    store = ControlStore(tmp_path / "controls")
    assert store.begin("task", PLAN, 3).tolist() == [0, 0, 0]
    store.advance("task", 1, DELTA)
    store.advance("task", 1, DELTA)
    assert ControlStore(tmp_path / "controls").begin("task", PLAN, 3).tolist() == [1.0, -2.0, 0.5]
    store.advance("task", 4, DELTA)
    store.advance("task", 3, DELTA)
    assert store.begin("task", PLAN, 3).tolist() == [2.0, -4.0, 1.0]
    assert store.begin("another", PLAN, 3).tolist() == [0, 0, 0]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    ControlStore(tmp_path / "controls").begin("../../task", PLAN, 3)
    (path,) = (tmp_path / "controls").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.name) == 32


@pytest.mark.parametrize(("plan", "size"), [(OTHER, 3), (PLAN, 4)])
def test_it_is_dropped_when_the_plan_is_another(tmp_path: Path, plan: bytes, size: int) -> None:
    store = ControlStore(tmp_path)
    store.begin("task", PLAN, 3)
    store.advance("task", 7, DELTA)
    assert store.begin("task", plan, size).tolist() == [0] * size
    # The new plan's rounds count anew.
    store.advance("task", 1, np.ones(size, "f4"))
    assert store.begin("task", plan, size).tolist() == [1] * size


def test_damage_anywhere_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ControlStore(tmp_path)
    store.begin("task", PLAN, 3)
    store.advance("task", 1, DELTA)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in [whole[:-1], whole[:20], b"", b"x" + whole[1:], whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"x"]:
        path.write_bytes(damaged)
        assert store.begin("task", PLAN, 3).tolist() == [0, 0, 0]
    assert "damaged" in caplog.text


def test_a_variate_that_is_gone_is_not_made_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ControlStore(tmp_path)
    store.advance("task", 1, DELTA)
    assert "is gone" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_the_tasks_worked_for_last_are_kept(tmp_path: Path) -> None:
    store = ControlStore(tmp_path)
    for index in range(10):
        store.begin(f"task-{index}", PLAN, 3)
        store.advance(f"task-{index}", 1, DELTA)
        for path in tmp_path.iterdir():
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9))
    assert len(list(tmp_path.iterdir())) == 8
    assert store.begin("task-9", PLAN, 3).tolist() == DELTA.tolist()
    assert store.begin("task-2", PLAN, 3).tolist() == DELTA.tolist()
    assert store.begin("task-1", PLAN, 3).tolist() == [0, 0, 0]


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be"):
        ControlStore(tmp_path / "file").begin("task", PLAN, 3)
