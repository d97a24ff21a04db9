"""A device's folder after processes that were killed: what they were writing goes, everything else stays."""

from pathlib import Path

import pytest

from fieldfare.core.errors import StateError
from fieldfare.sdk.device import DeviceFolder

LEFT = (
    ".outbox.4711-140001.part",
    ".current.json.4711-140001.part",
    ".ledger.db.4711.new",
    "controls/.0123abcd.4711-140001.part",
)
STAYS = ("outbox", "current.json", "examples.db", ".examples.db.4711.new", "cache/0123.part", "cache/0123", ".nomedia")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*LEFT, *STAYS):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"some bytes")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_process_that_takes_the_lock_removes_what_others_left_half_written(folder: Path) -> None:
    device = DeviceFolder(folder)
    assert names(folder) == {*LEFT, *STAYS}, "who only reads removes nothing"
    device.acquire()
    assert names(folder) == {*STAYS, "lock"}
    # Once: what a thread of this process writes later is not another's.
    (folder / LEFT[0]).write_bytes(b"")
    device.acquire()
    assert LEFT[0] in names(folder)
    device.lock.release()


def test_who_does_not_get_the_lock_removes_nothing(folder: Path) -> None:
    first = DeviceFolder(folder)
    first.acquire()
    (folder / LEFT[0]).write_bytes(b"being written")
    with pytest.raises(StateError, match="another device is running"):
        DeviceFolder(folder).acquire()
    assert LEFT[0] in names(folder)
    first.lock.release()
