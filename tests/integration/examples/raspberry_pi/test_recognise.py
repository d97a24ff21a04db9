"""The recogniser as a process, fed over a serial line (a pseudo-terminal) and from a file."""

import os
import pty
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.raspberry_pi.activity import INPUT, SPECS, TARGET
from fieldfare.core.errors import StorageError
from fieldfare.sdk import ExampleStore
from tests.support.commands import ROOT, environment, started
from tests.support.made_recordings import made_recording

RECOGNISE = (sys.executable, "-m", "examples.raspberry_pi.recognise")


def _lines(label: int, name: str, windows: int = 2) -> bytes:
    values = made_recording(label, windows, seed=label) / 512
    ending = f",{name}" if name else ""
    return "".join(",".join(f"{value:.6f}" for value in row) + f"{ending}\r\n" for row in values).encode()


def _recognise(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*RECOGNISE, "--store", folder / "examples.db", "--folder", folder / "device", *arguments]
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The sensor's end of a serial line, and the name of the other one."""
    sensor, board = pty.openpty()
    # A new one answers what it is sent, and nobody reads the answers here.
    tty.setraw(board)
    yield sensor, os.ttyname(board)
    for end in (sensor, board):
        try:
            os.close(end)
        except OSError:  # the test closed it
            continue


def test_samples_of_a_serial_line_become_windows_in_the_store(tmp_path: Path, line: tuple[int, str]) -> None:
    sensor, port = line
    label = tmp_path / "label"
    label.write_text("standing\n")
    store = tmp_path / "examples.db"
    arguments = ("--store", store, "--folder", tmp_path / "device", "--serial", port, "--label-file", label)
    with started(*arguments, "--every-window", program=RECOGNISE) as running:
        # The line is half a line when somebody plugs in, and has noise on it later.
        os.write(sensor, b"0.1,0.2\r\n" + _lines(0, "walking"))
        running.wait_for(r"1\.3 s  no model yet  kept as walking")
        os.write(sensor, b"\xff\xfe\x00garbage\r\n" + _lines(4, "", windows=1))
        running.wait_for(r"2\.6 s  no model yet  kept as standing")
        os.write(sensor, b"\r\n" + _lines(1, "-", windows=1))
        # The label file speaks for lines that do not know.
        running.wait_for(r"3\.8 s  no model yet  kept as standing")
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("4 windows, 4 of them kept; the store holds 4")
        assert running.process.wait(20) == 0
    with ExampleStore.open(store) as kept:
        assert kept.specs == SPECS
        found = [kept.training(), kept.held_out()]
    labels = np.concatenate([part[TARGET] for part in found])
    assert sorted(labels.tolist()) == [0, 0, 4, 4]
    windows = np.concatenate([part[INPUT] for part in found])[labels == 0]
    wanted = made_recording(0, 2, seed=0).astype(np.float32) / 512
    assert any(np.allclose(window, wanted[:128], atol=1e-5) for window in windows)


def test_a_sensor_that_is_pulled_out_ends_it_with_an_error(tmp_path: Path, line: tuple[int, str]) -> None:
    sensor, port = line
    arguments = ("--store", tmp_path / "examples.db", "--folder", tmp_path / "device", "--serial", port)
    with started(*arguments, program=RECOGNISE) as running:
        os.write(sensor, _lines(0, "walking", windows=1))
        running.wait_for("kept as walking")
        os.close(sensor)
        assert running.process.wait(20) == 1
    with ExampleStore.open(tmp_path / "examples.db") as kept:
        assert kept.count() == 1


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes(_lines(3, "sitting", windows=3) + b"\n" + _lines(2, "", windows=2))
    done = _recognise(tmp_path, "--file", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("5 windows, 3 of them kept; the store holds 3\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--serial", "/dev/no-such-port"), 1, "/dev/no-such-port cannot be opened: No such file or directory"),
        (("--serial", "/dev/null"), 2, "is no serial port"),
        (("--replay", "none.npz", "--subject", "1"), 1, "none.npz is not there"),
        (("--replay", "none.npz"), 2, "names the person to replay"),
        (("--replay", "none.npz", "--subject", "1", "--speed", "-1"), 2, "must be above 0"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = _recognise(tmp_path, *arguments)
    assert done.returncode == status
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("recognise: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "examples.db").exists()


def test_a_wrong_speed_of_the_line_is_told_after_a_hundred_lines(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(128, 256)) * 3 + b"\n" + b"\x80\n" * 200)
    done = _recognise(tmp_path, "--file", path)
    assert done.returncode == 1
    assert "100 lines in a row cannot be read; the last: a line needs 6 or 9 numbers" in done.stderr
    with ExampleStore.open(tmp_path / "examples.db") as kept:
        assert kept.count() == 0


def test_an_example_store_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "examples.db").write_bytes(b"a letter, not a data base" * 100)
    path = tmp_path / "samples.csv"
    path.write_bytes(_lines(3, "sitting"))
    done = _recognise(tmp_path, "--file", path)
    assert done.returncode == StorageError.exit_status
    assert (tmp_path / "examples.db").read_bytes() == b"a letter, not a data base" * 100
