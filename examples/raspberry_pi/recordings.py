"""The recordings of 30 people, put together again from the overlapping windows of `uci_har.npz`.

Anguita et al. 2013, "A Public Domain Dataset for Human Activity Recognition Using Smartphones". The file holds windows
of 128 samples, each beginning in the middle of the one before, in random order. As the second half of a window is, byte
for byte, the first half of the next, what was recorded can be replayed sample by sample.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from examples.raspberry_pi.activity import (
    ACTIVITIES,
    CHANNELS,
    INPUT,
    SPECS,
    STEP,
    TARGET,
    WINDOW,
    Reading,
    Sample,
    Values,
)
from examples.raspberry_pi.gravity import nine_values, sensed
from examples.raspberry_pi.windows import SlidingWindow
from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, check_examples

FILE_NAME = "uci_har.npz"
UNSEEN = (2, 4, 9, 10, 12, 13, 18, 20, 24)
"""The test subjects of the data set's authors; the other 21 train."""
_UNITS = np.float32(512)


@dataclass(frozen=True, slots=True)
class Recording:
    """What one person did without a break.

    Attributes:
        subject: the person's number, 1 to 30.
        label: index into `ACTIVITIES`.
        values: `(n, 9)` float32 at 50 Hz, `n` at least 128.
    """

    subject: int
    label: int
    values: Values


def default_path() -> Path:
    """Where the file is looked for: in the folder of `FIELDFARE_DATA`, or in `../shared/data`."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("FIELDFARE_DATA") or root.parent / "shared" / "data") / FILE_NAME


def load_recordings(path: Path, subjects: Sequence[int] | None = None) -> tuple[Recording, ...]:
    """The recordings of these people, or of everybody, in the order in which the file's windows begin them.

    Raises:
        NotFoundError: no such file.
        DataError: not the arrays `x_i16` `(n, 128, 9)` int16, `y` and `subject` `(n,)`; a person who is not in it.
    """
    windows, labels, people = _read(path)
    known = np.unique(people).tolist()
    chosen = known if subjects is None else subjects
    if missing := sorted(set(chosen) - set(known)):
        raise DataError(f"{path} has no subject {missing[0]}: it has {', '.join(map(str, known))}")
    return tuple(one for subject in chosen for one in _of_subject(subject, windows, labels, people))


def replay(recordings: Sequence[Recording]) -> Iterator[Reading]:
    """Sample by sample, with a gap after each recording."""
    for recording in recordings:
        for values in recording.values:
            yield Sample(values, recording.label)
        yield None


def windowed(recordings: Sequence[Recording], *, six_values: bool = False) -> Examples:
    """The windows that a device makes of them: "window" `(n, 128, 9)` float32, "label" `(n,)` int32.

    Args:
        recordings: of any people.
        six_values: leave the acceleration of the body away, as a sensor does, and let the device filter it out itself.

    Raises:
        DataError: no recordings.
    """
    sliding = SlidingWindow()
    readings = nine_values(sensed(replay(recordings))) if six_values else replay(recordings)
    windows = [window for reading in readings if (window := sliding.push(reading)) is not None]
    examples = {
        INPUT: np.array([window.values for window in windows], np.float32),
        TARGET: np.array([window.label for window in windows], np.int32),
    }
    check_examples(SPECS, examples)
    return examples


def _read(path: Path) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint8]]:
    problem = DataError(f"{path} is damaged, or not the file {FILE_NAME} that the README names")
    try:
        with np.load(path, allow_pickle=False) as file:
            windows, labels, people = file["x_i16"], file["y"], file["subject"]
    except FileNotFoundError:
        raise NotFoundError(f"{path} is not there: --data names it, or the folder in FIELDFARE_DATA") from None
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise problem from error
    rows = len(windows)
    shapes = windows.shape == (rows, WINDOW, len(CHANNELS)) and labels.shape == people.shape == (rows,)
    if not shapes or windows.dtype != np.int16 or not rows or labels.max() >= len(ACTIVITIES):
        raise problem
    return windows, labels, people


def _of_subject(
    subject: int, windows: NDArray[np.int16], labels: NDArray[np.uint8], people: NDArray[np.uint8]
) -> Iterator[Recording]:
    rows = np.flatnonzero(people == subject).tolist()
    by_first_half = {(windows[row, :STEP].tobytes(), labels[row]): row for row in rows}
    successor = {row: by_first_half.get((windows[row, STEP:].tobytes(), labels[row])) for row in rows}
    continued = set(successor.values())
    for first in rows:
        if first in continued:
            continue
        chain = [first]
        # Safe: each row is followed once at the most, so that this ends even where windows are alike.
        while (following := successor.pop(chain[-1], None)) is not None:
            chain.append(following)
        parts = [windows[first, :STEP], *(windows[row, STEP:] for row in chain)]
        yield Recording(subject, int(labels[first]), np.concatenate(parts).astype(np.float32) / _UNITS)
