"""Heights and weights of adults: the Howell census where its file is there, made-up people otherwise."""

from pathlib import Path

import numpy as np

from examples.height_weight.federated import HEIGHT, WEIGHT, export_line
from examples.height_weight.people import load_people


def prepare(folder: Path) -> None:
    """Write `data.npz` ("height" and "label", `(n, 1)`) and `plan.tflite`, a line with two weights.

    Raises:
        DataError: the census' file holds something else.
    """
    people = load_people()
    arrays = {HEIGHT: people.x[:, np.newaxis], WEIGHT: people.weight_kg[:, np.newaxis]}
    np.savez(folder / "data.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    export_line(folder / "plan.tflite", seed=1)
