"""Cellular bandwidths, from the traces that come with Mahimahi.

Netravali et al. 2015, "Mahimahi: Accurate record-and-replay for HTTP", USENIX ATC; the traces were recorded in moving
cars in the United States (Winstein, Sivaraman and Balakrishnan 2013, "Stochastic forecasts achieve high throughput and
low delay over cellular networks", NSDI), on networks from EV-DO and UMTS to LTE.
"""

import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.emulator.devices.profiles import CellularModel, LinkModel

FILE_NAME = "network_mahimahi_1s_mbps.json.gz"


def fit_cellular(path: Path) -> CellularModel:
    """Levels of the traces, and how they change from second to second.

    Args:
        path: a JSON object: name of a trace, ending with ".down" or ".up", to megabits a second.

    Raises:
        DataError: no such file, or another.
    """
    try:
        with gzip.open(path) as file:
            traces = {name: np.array(values, np.float64) for name, values in json.load(file).items()}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, AttributeError, EOFError) as error:
        raise DataError(f"{path} is not {FILE_NAME}: {error}") from error
    levels = {name: float(np.log(values.mean())) for name, values in traces.items()}
    both = [name.removesuffix(".up") for name in traces if name.endswith(".up")]
    pairs = np.array([(levels[f"{name}.down"], levels[f"{name}.up"]) for name in both if f"{name}.down" in levels])
    down, up = ([values for name, values in traces.items() if name.endswith(end)] for end in (".down", ".up"))
    return CellularModel(_link(down), _link(up), round(float(np.corrcoef(pairs.T)[0, 1]), 2))


def _link(traces: list[NDArray[np.float64]]) -> LinkModel:
    levels = np.log([one.mean() for one in traces])
    outages = float(np.mean([np.mean(one == 0) for one in traces]))
    # Seconds without a byte have no logarithm: they are counted by themselves.
    logs = [np.log(np.where(one > 0, one, np.nan) / one.mean()) for one in traces]
    jitter = float(np.mean([np.nanstd(one) for one in logs]))
    return LinkModel(
        median_mbit_s=round(float(np.exp(np.median(levels))), 2),
        spread=round(float(levels.std()), 2),
        jitter=round(jitter, 2),
        lasting_s=round(-1 / float(np.log(np.mean([_next_to(one) for one in logs]))), 1),
        outages=round(outages, 3),
    )


def _next_to(logs: NDArray[np.float64]) -> float:
    """Correlation of each second with the next."""
    now, then = logs[:-1], logs[1:]
    known = np.isfinite(now) & np.isfinite(then)
    return float(np.corrcoef(now[known], then[known])[0, 1])
