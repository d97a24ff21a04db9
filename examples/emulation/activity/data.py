"""Who did what: windows of 30 people, none of which shares a sample with another one."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.raspberry_pi.activity import INPUT, TARGET, WINDOW
from examples.raspberry_pi.model import export_plan
from examples.raspberry_pi.recordings import default_path, load_recordings


def prepare(folder: Path) -> None:
    """Write `data.npz` and `plan.tflite`, from `uci_har.npz` where the Raspberry Pi's example looks for it.

    Raises:
        NotFoundError: it is not there.
        DataError: it holds something else.
    """
    np.savez(folder / "data.npz", **separate_windows(default_path()))
    export_plan(folder / "plan.tflite")


def separate_windows(data: Path) -> dict[str, NDArray[Any]]:
    """The recordings put together again, and cut into windows that do not overlap.

    The file's own windows overlap by half. Held out at random, nearly each would have its halves in two windows that
    are trained on.

    Args:
        data: `uci_har.npz`.

    Returns:
        "window" `(n, 128, 9)` float32, "label" `(n,)` int32, "subject" `(n,)` int64.
    """
    windows, labels, subjects = [], [], []
    for recording in load_recordings(data):
        for start in range(0, len(recording.values) - WINDOW + 1, WINDOW):
            windows.append(recording.values[start : start + WINDOW])
            labels.append(recording.label)
            subjects.append(recording.subject)
    return {
        INPUT: np.array(windows, np.float32),
        TARGET: np.array(labels, np.int32),
        "subject": np.array(subjects, np.int64),
    }
