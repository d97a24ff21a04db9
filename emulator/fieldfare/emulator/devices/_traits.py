"""Speed and bandwidth of each device."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.scenario import FleetSettings

_BYTES_PER_MBIT = 125_000.0
# A backward pass costs about twice a forward pass, so training an example costs three times its evaluation.
_EVALUATION = 1 / 3


@dataclass(frozen=True, slots=True)
class Traits:
    """Of every device of a fleet.

    Attributes:
        examples_per_s: `(devices,)` float32: training examples that it works through in a second.
        download_bytes_s: `(devices,)` float32.
        upload_bytes_s: `(devices,)` float32.
        latency: added to each transfer.
    """

    examples_per_s: NDArray[np.float32]
    download_bytes_s: NDArray[np.float32]
    upload_bytes_s: NDArray[np.float32]
    latency: timedelta

    def download(self, device: int, nbytes: int) -> timedelta:
        """How long so many bytes take to come."""
        return self.latency + _seconds(nbytes / float(self.download_bytes_s[device]))

    def upload(self, device: int, nbytes: int) -> timedelta:
        """How long so many bytes take to go."""
        return self.latency + _seconds(nbytes / float(self.upload_bytes_s[device]))

    def compute(self, device: int, examples: int, *, training: bool) -> timedelta:
        """How long so many examples take, each pass over an example counted."""
        cost = 1.0 if training else _EVALUATION
        return _seconds(cost * examples / float(self.examples_per_s[device]))


def draw_traits(settings: FleetSettings, devices: int, seed: int) -> Traits:
    """Draw each device's once; speed, download and upload independently of each other."""
    rng = np.random.default_rng([seed, 2])

    def around(median: float) -> NDArray[np.float32]:
        return rng.lognormal(math.log(median), settings.spread, devices).astype(np.float32)

    return Traits(
        around(settings.examples_per_s),
        around(settings.download_mbit_s * _BYTES_PER_MBIT),
        around(settings.upload_mbit_s * _BYTES_PER_MBIT),
        settings.latency,
    )


def _seconds(value: float) -> timedelta:
    # To the microsecond, as clocks of datetime go.
    return timedelta(microseconds=round(1e6 * value))
