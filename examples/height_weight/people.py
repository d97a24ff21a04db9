"""Heights and weights of people: the Howell census where its file is there, made-up people otherwise."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError

FILE_NAME = "howell1_height_weight.csv"
COLUMNS = ("height_cm", "weight_kg", "age")
ADULT_YEARS = 18.0
# Round public figures, not statistics of the data: nobody may look at it. They only bring the input near [-2, 2].
HEIGHT_CENTRE_CM, HEIGHT_SCALE_CM = 155.0, 10.0


@dataclass(frozen=True, slots=True)
class People:
    """Adults.

    Attributes:
        source: where they come from, in words.
        height_cm: `(n,)` float64.
        weight_kg: `(n,)` float64.
    """

    source: str
    height_cm: NDArray[np.float64]
    weight_kg: NDArray[np.float64]

    @property
    def x(self) -> NDArray[np.float64]:
        """The model's input: height in units of 10 cm around 155 cm."""
        return (self.height_cm - HEIGHT_CENTRE_CM) / HEIGHT_SCALE_CM


def data_folder() -> Path:
    """FIELDFARE_DATA, or the folder `shared/data` beside the project."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("FIELDFARE_DATA", beside))


def load_people(path: Path | None = None) -> People:
    """Read the adults of the census, or make 352 people where the file is absent.

    Raises:
        DataError: the file lacks one of the columns height_cm, weight_kg and age.
    """
    path = path or data_folder() / FILE_NAME
    if not path.is_file():
        return make_people(352, np.random.default_rng(0))
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if missing := sorted(set(COLUMNS) - set(reader.fieldnames or ())):
            raise DataError(f"{path} has no column {', '.join(missing)}")
        rows = [row for row in reader if float(row["age"]) >= ADULT_YEARS]
    heights, weights = (np.array([float(row[name]) for row in rows]) for name in COLUMNS[:2])
    return People(f"{len(rows)} adults of the Howell census ({FILE_NAME})", heights, weights)


def make_people(count: int, rng: np.random.Generator) -> People:
    """People around weight = 0.63 height - 52 kg, with a spread of 4.2 kg."""
    heights = rng.normal(155.0, 8.0, count)
    weights = 0.63 * heights - 52.0 + rng.normal(0.0, 4.2, count)
    return People(f"{count} made-up people ({FILE_NAME} is not there)", heights, weights)


def deal_out(count: int, devices: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Split `count` rows over devices of unequal size, each with at least 4 rows."""
    shares = rng.dirichlet(np.full(devices, 3.0))
    sizes = 4 + np.floor(shares * (count - 4 * devices)).astype(int)
    sizes[: count - sizes.sum()] += 1
    return [np.sort(part) for part in np.split(rng.permutation(count), np.cumsum(sizes)[:-1])]
