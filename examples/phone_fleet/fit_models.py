"""Speed and memory of phone models.

AI Benchmark (Ignatov et al. 2019, "AI Benchmark: All about deep learning on smartphones in 2019") lists what phones
scored by the end of 2019, among others with floating-point networks on the processor. FLASH (Yang et al. 2021,
"Characterizing impacts of heterogeneity in federated learning upon large-scale smartphone data") measured how long
layers train on three of them.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.emulator.devices.profiles import PhoneModels

FILE_NAME = "ai_benchmark_phones.csv"
TIMES_NAME = "flash_layer_train_times.npz"
# Android 5 and later, on which LiteRT runs, came with the phones of 2015.
OLDEST = 2015
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
THIRDS = 3
LAYERS = ("embedding", "lstm", "output")
SLOWER, FASTER = "Xiaomi Redmi Note 8", "Samsung Galaxy Note10"


def fit_phone_models(path: Path) -> PhoneModels:
    """Quantiles of speed, and the classes of memory of each third.

    Args:
        path: of the list.

    Raises:
        DataError: no such file, or another.
    """
    rows = [row for row in _rows(path) if int(row["year"]) >= OLDEST]
    scores = np.array([float(row["cpu_f"]) for row in rows])
    gigabytes = np.array([float(row["ram"].removesuffix("GB")) for row in rows])
    sizes = np.unique(gigabytes)
    third = np.searchsorted(np.quantile(scores, (1 / 3, 2 / 3)), scores, side="right")
    shares = [[float(np.mean(gigabytes[third == one] == size)) for size in sizes] for one in range(THIRDS)]
    return PhoneModels(
        shares=SHARES,
        speeds=_rounded(np.quantile(scores, SHARES) / np.median(scores)),
        memory_gib=_rounded(sizes),
        memory_shares=tuple(_rounded(np.array(one)) for one in shares),
    )


def training_ratios(scores: Path, times: Path) -> dict[str, float]:
    """How many times as fast the one phone is as the other: by score, and by layers that were trained on both.

    Raises:
        DataError: no such file, or another.
    """
    by_name = {row["model"]: float(row["cpu_f"]) for row in reversed(_rows(scores))}
    ratios = {"floating-point score": by_name[FASTER] / by_name[SLOWER]}
    try:
        with np.load(times) as arrays:
            for layer in LAYERS:
                ratio = np.median(arrays[f"redmi_note8_{layer}_y"] / arrays[f"sumsung_note10_{layer}_y"])
                ratios[f"{layer} layers, median of {len(arrays[f'redmi_note8_{layer}_y']):,}"] = float(ratio)
    except OSError as error:
        raise DataError(f"cannot read {times}: {error.strerror or error}") from error
    except (KeyError, ValueError) as error:
        raise DataError(f"{times} is not {TIMES_NAME}: {error}") from error
    return ratios


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not rows or not {"model", "year", "ram", "cpu_f"} <= set(rows[0]):
        raise DataError(f"{path} is not {FILE_NAME}")
    return rows


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(one), 3) for one in values)
