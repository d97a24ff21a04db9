"""Recordings come out of the windows as they went in."""

from pathlib import Path

import numpy as np
import pytest

from examples.raspberry_pi.activity import INPUT, TARGET
from examples.raspberry_pi.recordings import UNSEEN, default_path, load_recordings, replay, windowed
from fieldfare.core.errors import DataError, NotFoundError
from tests.support.made_recordings import made_recording, write_made_recordings


def test_the_recordings_are_put_together_again(tmp_path: Path) -> None:
    path = tmp_path / "made.npz"
    write_made_recordings(path, {3: 7, 8: 2}, windows=5, seed=4)
    found = load_recordings(path, [3])
    assert sorted(one.label for one in found) == [0, 0, 1, 2, 3, 4, 5]
    expected = [made_recording(index % 6, 5, 4 + 3000 + index) / np.float32(512) for index in range(7)]
    as_bytes = {values.astype(np.float32).tobytes() for values in expected}
    assert {one.values.tobytes() for one in found} == as_bytes
    assert {one.subject for one in load_recordings(path)} == {3, 8}


def test_a_replay_gives_the_windows_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made.npz"
    write_made_recordings(path, {1: 6})
    _same_windows(path, 1)
    recordings = load_recordings(path, [1])
    assert sum(one is None for one in replay(recordings)) == 6
    assert sum(one is not None for one in replay(recordings)) == 6 * 5 * 64


@pytest.mark.skipif(not default_path().exists(), reason=f"{default_path()} is not there")
def test_every_window_of_the_data_set_is_replayed() -> None:
    for subject in (1, *UNSEEN):
        _same_windows(default_path(), subject)


def _same_windows(path: Path, subject: int) -> None:
    with np.load(path) as file:
        rows = file["subject"] == subject
        wanted = (file["x_i16"][rows] / np.float32(512)).astype(np.float32)
        labels = file["y"][rows]
    found = windowed(load_recordings(path, [subject]))
    expected = sorted((window.tobytes(), int(label)) for window, label in zip(wanted, labels, strict=True))
    pairs = zip(found[INPUT], found[TARGET], strict=True)
    assert sorted((window.tobytes(), int(label)) for window, label in pairs) == expected


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not there"):
        load_recordings(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("x")
    (tmp_path / "half.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    flat, few = np.zeros((2, 9), np.int16), np.zeros(2, np.uint8)
    np.savez(tmp_path / "flat.npz", x_i16=flat, y=few, subject=few)
    np.savez(tmp_path / "label.npz", x_i16=np.zeros((2, 128, 9), np.int16), y=few + 6, subject=few)
    for name in ("text", "half", "other", "flat", "label"):
        with pytest.raises(DataError, match="damaged"):
            load_recordings(tmp_path / f"{name}.npz")


def test_a_person_who_is_not_in_it(tmp_path: Path) -> None:
    write_made_recordings(tmp_path / "made.npz", {3: 1, 5: 1})
    with pytest.raises(DataError, match="has no subject 4: it has 3, 5"):
        load_recordings(tmp_path / "made.npz", [3, 4])
