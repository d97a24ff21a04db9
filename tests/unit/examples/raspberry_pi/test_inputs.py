"""Lines from pipes and terminals; the label that a person sets."""

import os
import pty
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.raspberry_pi.activity import UNKNOWN, Sample
from examples.raspberry_pi.inputs import LabelFile, labelled, open_input, read_lines, set_up_serial
from fieldfare.core.errors import ConfigError, StorageError

_WITHOUT_LABEL = Sample(np.zeros(9, np.float32))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:  # the test closed it
            continue


def test_lines_come_whole_whatever_pieces_they_come_in(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stop = threading.Event()
    lines = read_lines(reading, stop, what="pipe")
    os.write(writing, b"one\ntw")
    assert next(lines) == b"one"
    os.write(writing, b"o\n\nlast")
    assert [next(lines), next(lines)] == [b"two", b""]
    os.close(writing)
    assert list(lines) == [b"last"]


def test_a_line_that_never_ends_is_not_collected(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b"x" * 1500)
    os.close(writing)
    found = list(read_lines(reading, threading.Event(), what="pipe"))
    assert b"".join(found) == b"x" * 1500
    assert len(found[0]) > 512


def test_a_reader_that_is_stopped_ends_though_nothing_comes(pipe: tuple[int, int]) -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    assert list(read_lines(pipe[0], stop, what="pipe")) == []


def test_a_serial_port_is_raw_at_its_speed() -> None:
    master, slave = pty.openpty()
    try:
        set_up_serial(slave, 57600)
        settings = termios.tcgetattr(slave)
        assert settings[4] == settings[5] == termios.B57600
        assert not settings[3] & (termios.ECHO | termios.ICANON)
        os.write(master, b"1,2\n")
        assert next(read_lines(slave, threading.Event(), what="line")) == b"1,2"
    finally:
        os.close(master)
        os.close(slave)


def test_a_serial_port_that_is_pulled_out_is_an_error() -> None:
    master, slave = pty.openpty()
    set_up_serial(slave, 9600)
    os.close(master)
    try:
        with pytest.raises(StorageError, match="/dev/ttyX cannot be read any more"):
            list(read_lines(slave, threading.Event(), what="/dev/ttyX", endless=True))
    finally:
        os.close(slave)


def test_a_pipe_is_no_serial_port(pipe: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="no serial port"):
        set_up_serial(pipe[0], 115200)
    with pytest.raises(ConfigError, match="9600, 57600, 115200"):
        set_up_serial(pipe[0], 1200)


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened: No such file"), open_input(tmp_path / "ttyACM0"):
        pass


def test_the_label_file_says_what_a_person_does_now(tmp_path: Path) -> None:
    path = tmp_path / "label"
    label = LabelFile(path)
    assert label() == UNKNOWN
    for text, expected in (("walking\n", 0), ("STANDING", 4), ("", UNKNOWN), ("dancing", UNKNOWN), ("-", UNKNOWN)):
        new = tmp_path / "new"
        new.write_text(text)
        new.replace(path)
        assert label() == expected
    path.unlink()
    assert label() == UNKNOWN


def test_a_label_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        LabelFile(tmp_path)()


def test_only_samples_without_a_label_take_the_present_one(tmp_path: Path) -> None:
    (tmp_path / "label").write_text("sitting")
    own = Sample(np.ones(9, np.float32), 5)
    found = list(labelled([_WITHOUT_LABEL, None, own], LabelFile(tmp_path / "label")))
    assert [None if one is None else one.label for one in found] == [3, None, 5]
