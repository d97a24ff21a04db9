"""Cellular bandwidths, second by second, drawn from a model of what was observed.

The bandwidth of a second is the trace's own level times a log-normal factor whose logarithm is correlated from second
to second; below a share of outages it is nothing.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._bandwidths import Bandwidths, make_direction
from fieldfare.emulator.devices._cycles import make_cycles
from fieldfare.emulator.devices._gaussian import circular_noise, ring

_BYTES_PER_MBIT = 125_000.0
_SECONDS = 1024


@dataclass(frozen=True, slots=True)
class LinkModel:
    """One direction.

    Attributes:
        median_mbit_s: of the traces' mean bandwidths.
        spread: sigma of their logarithms.
        jitter: sigma of the logarithm from second to second.
        lasting_s: seconds in which the jitter's correlation falls to 1/e.
        outages: share of seconds without a byte.
    """

    median_mbit_s: float
    spread: float
    jitter: float
    lasting_s: float
    outages: float


@dataclass(frozen=True, slots=True)
class CellularModel:
    """Both directions.

    Attributes:
        down: to the phone.
        up: from it.
        correlation: of the logarithms of their levels.
    """

    down: LinkModel
    up: LinkModel
    correlation: float


def draw_bandwidths(model: CellularModel, patterns: int, rng: np.random.Generator) -> Bandwidths:
    """Some traces of 1,024 s."""
    level = rng.standard_normal((2, patterns))
    level[1] = model.correlation * level[0] + math.sqrt(1 - model.correlation**2) * level[1]
    white = rng.standard_normal((2, patterns, _SECONDS))
    cycles = make_cycles([float(_SECONDS)] * patterns, [np.arange(_SECONDS, dtype=np.float64)] * patterns)
    down, up = (
        make_direction(cycles, _BYTES_PER_MBIT * _link(link, level[one], white[one]).ravel())
        for one, link in enumerate((model.down, model.up))
    )
    return Bandwidths(cycles, down, up)


def _link(model: LinkModel, level: NDArray[np.float64], white: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(patterns, seconds)`, Mbit/s."""
    noise = circular_noise(white, np.exp(-ring(_SECONDS) / model.lasting_s))
    factor = np.exp(model.jitter * noise)
    if model.outages:
        factor[noise < NormalDist().inv_cdf(model.outages)] = 0.0
    # To a mean of one, so that the level is the trace's mean.
    factor /= factor.mean(axis=1, keepdims=True)
    return model.median_mbit_s * np.exp(model.spread * level)[:, None] * factor
