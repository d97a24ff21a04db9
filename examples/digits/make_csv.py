"""Write scikit-learn's handwritten digits as CSV files, one for each device.

    python examples/digits/make_csv.py FOLDER [--devices 2]

Each file has the columns pixel_0 to pixel_63, between 0 and 1, and label.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np


def main() -> int:
    """Write the files and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=2)
    options = parser.parse_args()
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = digits.data / 16.0
    options.folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(1).permutation(len(pixels))
    for index, rows in enumerate(np.array_split(order, options.devices)):
        path = options.folder / f"device_{index}.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([*(f"pixel_{column}" for column in range(pixels.shape[1])), "label"])
            writer.writerows([*(f"{value:g}" for value in pixels[row]), digits.target[row]] for row in rows)
        print(f"{path}: {len(rows)} digits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
