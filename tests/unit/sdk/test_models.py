"""Which model a device predicts with, and which it can fall back to."""

import stat
from pathlib import Path

import pytest

from fieldfare.core.errors import NotFoundError
from fieldfare.sdk.device import Current, DeviceFolder, Models


def pair(version: int, task: str = "t") -> Current:
    return Current("plan", f"checkpoint-{version}", version, task)


def test_the_one_before_the_newest_is_kept() -> None:
    models = Models().adopt(pair(1))
    assert models == Models(pair(1))
    models = models.adopt(pair(2)).adopt(pair(3))
    assert models == Models(pair(3), pair(2))
    assert models.digests == {"plan", "checkpoint-2", "checkpoint-3"}
    assert Models().digests == frozenset()


def test_the_same_pair_again_does_not_push_the_previous_one_out() -> None:
    models = Models(pair(3), pair(2))
    again = Current("plan", "checkpoint-3", 3, "another task")
    assert models.adopt(again) == Models(again, pair(2))


def test_a_checkpoint_that_was_left_does_not_come_back() -> None:
    models = Models(pair(3), pair(2)).fall_back()
    assert models == Models(pair(2), None, "checkpoint-3")
    assert models.adopt(pair(3)) == models
    assert models.adopt(pair(4)) == Models(pair(4), pair(2), "checkpoint-3")
    assert models.fall_back() == models
    assert Models().fall_back() == Models()


def test_the_choice_is_on_disk(tmp_path: Path) -> None:
    folder = DeviceFolder(tmp_path, create=True)
    with pytest.raises(NotFoundError, match="no previous checkpoint"):
        folder.fall_back()
    for version in (1, 2):
        folder.current = pair(version)
    with pytest.raises(NotFoundError, match="no previous checkpoint"):
        DeviceFolder(tmp_path / "other", create=True).fall_back()
    assert DeviceFolder(tmp_path).models == Models(pair(2), pair(1))
    assert DeviceFolder(tmp_path).fall_back() == pair(1)
    assert folder.models == Models(pair(1), None, "checkpoint-2")
    assert stat.S_IMODE((tmp_path / "current.json").stat().st_mode) == 0o600
    with pytest.raises(NotFoundError, match="no previous checkpoint"):
        folder.fall_back()


def test_a_file_of_before_there_was_a_previous_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text('{"plan": "p", "checkpoint": "c", "version": 3, "task": "t"}')
    assert DeviceFolder(tmp_path).models == Models(Current("p", "c", 3, "t"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"plan": "a"}',
        '{"current": 3}',
        '{"current": {"plan": 1, "checkpoint": "", "version": 3, "task": ""}}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "current.json").write_text(content)
    assert DeviceFolder(tmp_path).models == Models()
    assert "current.json is damaged" in caplog.text
