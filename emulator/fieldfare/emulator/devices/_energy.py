"""Joules that a device's part in a round costs it, beyond what it takes anyway."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._states import METERED, UNMETERED
from fieldfare.emulator.scenario import EnergySettings


@dataclass(frozen=True, slots=True)
class Radio:
    """Of one kind of network: P = alpha t + beta, with a throughput t, and a tail after the last byte.

    Huang et al. 2012, "A close examination of performance and power characteristics of 4G LTE networks", MobiSys.

    Attributes:
        on_w: beta: watts while a transfer lasts.
        download_j_per_mb: alpha of the downlink, for 10^6 bytes.
        upload_j_per_mb: of the uplink.
        tail_j: after each transfer.
    """

    on_w: float
    download_j_per_mb: float
    upload_j_per_mb: float
    tail_j: float

    def joules(self, seconds: float, nbytes: float, *, up: bool) -> float:
        """Of one transfer.

        Args:
            seconds: that it lasted; 0 for one that never began.
            nbytes: that went through.
            up: from the device, or to it.
        """
        if seconds <= 0:
            return 0.0
        return (
            self.on_w * seconds + (self.upload_j_per_mb if up else self.download_j_per_mb) * nbytes / 1e6 + self.tail_j
        )


@dataclass(frozen=True, slots=True)
class Energy:
    """Of every device of a fleet.

    Attributes:
        training_w: `(devices,)` float32: watts while it trains or evaluates.
        radios: by kind of network.
    """

    training_w: NDArray[np.float32]
    radios: dict[int, Radio]


def make_energy(settings: EnergySettings, scale: NDArray[np.float32]) -> Energy:
    """From the scenario.

    Args:
        settings: of the scenario.
        scale: `(devices,)`: watts of each relative to the settings'.
    """

    def radio(kind: str) -> Radio:
        keys = ("on_w", "download_j_per_mb", "upload_j_per_mb", "tail_j")
        return Radio(*(getattr(settings, f"{kind}_{key}") for key in keys))

    watts = (settings.training_w * scale).astype(np.float32)
    return Energy(watts, {METERED: radio("metered"), UNMETERED: radio("unmetered")})
