"""Lines from a serial port, a file or a pipe, and the label that a person sets."""

import os
import select
import termios
import threading
import tty
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.raspberry_pi.activity import UNKNOWN, Reading, Sample, activity_index
from examples.raspberry_pi.lines import LONGEST_LINE
from fieldfare.core.errors import ConfigError, DataError, StorageError

_LOOK_S = 0.25
_CHUNK_BYTES = 4096
_INPUT_SPEED, _OUTPUT_SPEED = 4, 5
_LONGEST_LABEL = 32
BAUD_RATES = {9600: termios.B9600, 57600: termios.B57600, 115200: termios.B115200, 230400: termios.B230400}
"""115,200 bits/s carry 50 lines of up to 230 bytes a second."""


@contextmanager
def open_input(path: Path) -> Iterator[int]:
    """A file descriptor of a file, a pipe or a terminal, for reading.

    Raises:
        StorageError: it cannot be opened.
    """
    try:
        # Safe: a serial port must not become this process's terminal, nor may opening it wait for a carrier.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def set_up_serial(descriptor: int, baud: int) -> None:
    """Make a serial port raw, with eight bits and no parity, at this speed.

    Raises:
        ConfigError: no serial port, or not one of `BAUD_RATES`.
    """
    if baud not in BAUD_RATES:
        raise ConfigError(f"must be one of {', '.join(map(str, BAUD_RATES))}", field="--baud")
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        settings = termios.tcgetattr(descriptor)
        settings[_INPUT_SPEED] = settings[_OUTPUT_SPEED] = BAUD_RATES[baud]
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    except termios.error as error:
        raise ConfigError(f"is no serial port: {error.args[1]}", field="--serial") from error


def read_lines(descriptor: int, stop: threading.Event, *, what: str, endless: bool = False) -> Iterator[bytes]:
    """Lines without their ends, until the input ends or `stop` is set.

    A line that never ends is given out in pieces of more than `LONGEST_LINE` bytes, which no parser takes.

    Args:
        descriptor: to read from.
        stop: looked at four times a second at the least.
        what: names the input in errors.
        endless: whether an end of the input is an error, as it is for a serial port.

    Raises:
        StorageError: the input fails, such as a serial adapter that was pulled out.
    """
    rest = b""
    while not stop.is_set():
        ready, _, _ = select.select([descriptor], [], [], _LOOK_S)
        if not ready:
            continue
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            continue
        except OSError as error:
            raise StorageError(f"{what} cannot be read any more: {error.strerror}") from error
        if not chunk and endless:
            raise StorageError(f"{what} cannot be read any more: it was pulled out")
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


class LabelFile:
    """The activity that a person says they are at: the one word in a small file, such as a button's script writes.

    Args:
        path: the file; absent and empty mean that the activity is not known.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._label = UNKNOWN

    def __call__(self) -> int:
        """The activity's index at this moment; `UNKNOWN` also where the file holds something else.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            found = self._path.stat()
            state = found.st_mtime_ns, found.st_ino
            if state != self._seen:
                with self._path.open(encoding="ascii", errors="replace") as file:
                    self._label = _label_of(file.read(_LONGEST_LABEL))
                self._seen = state
        except FileNotFoundError:
            self._seen, self._label = None, UNKNOWN
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        return self._label


def labelled(readings: Iterable[Reading], label_of: LabelFile) -> Iterator[Reading]:
    """Give the samples without a label the present one."""
    for reading in readings:
        yield reading if reading is None or reading.label != UNKNOWN else Sample(reading.values, label_of())


def _label_of(text: str) -> int:
    try:
        return activity_index(text)
    except DataError:
        return UNKNOWN
