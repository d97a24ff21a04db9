"""A file like `uci_har.npz` with made-up people: windows of 128 samples that overlap by half, in random order."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_STEP = 64


def made_recording(label: int, windows: int, seed: int) -> NDArray[np.int16]:
    """`(64 * (windows + 1), 9)` in units of 1/512: each activity has a rhythm and a posture of its own."""
    rng = np.random.default_rng(seed)
    time = np.arange(_STEP * (windows + 1))[:, np.newaxis] / 50
    rhythm = np.sin(2 * np.pi * (0.5 + 0.4 * label) * time + np.arange(9)) * (0.5 if label < 3 else 0.02)
    posture = np.where(np.arange(9) == 6 + label % 3, 1.0, 0.0)
    values = rhythm + posture + rng.normal(0, 0.02, (len(time), 9))
    return np.round(values * 512).astype(np.int16)


def write_made_recordings(path: Path, people: Mapping[int, int], *, windows: int = 4, seed: int = 1) -> None:
    """Write `people` (subject to number of recordings, activity after activity) as one file."""
    parts, labels, subjects = [], [], []
    for subject, count in people.items():
        for index in range(count):
            values = made_recording(index % 6, windows, seed + 1000 * subject + index)
            starts = range(0, windows * _STEP, _STEP)
            parts += [values[start : start + 2 * _STEP] for start in starts]
            labels += [index % 6] * windows
            subjects += [subject] * windows
    order = np.random.default_rng(seed).permutation(len(parts))
    np.savez(
        path,
        x_i16=np.array(parts)[order],
        y=np.array(labels, np.uint8)[order],
        subject=np.array(subjects, np.uint8)[order],
    )
