"""Phones as they were measured: `python -m examples.phone_fleet.fit` prints these numbers."""

from dataclasses import dataclass

from fieldfare.emulator.devices.profiles._cellular import CellularModel, LinkModel
from fieldfare.emulator.devices.profiles._circadian import CircadianModel


@dataclass(frozen=True, slots=True)
class PhoneModels:
    """How models of phones differ.

    Attributes:
        shares: of the models, rising from 0 to 1.
        speeds: relative to the median, below which these shares lie.
        memory_gib: classes of memory.
        memory_shares: of the classes; in the slowest third of the models, the middle one, and the fastest.
    """

    shares: tuple[float, ...]
    speeds: tuple[float, ...]
    memory_gib: tuple[float, ...]
    memory_shares: tuple[tuple[float, ...], ...]


PHONE_MODELS = PhoneModels(
    shares=(0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0),
    speeds=(0.135, 0.205, 0.326, 0.715, 1.0, 1.377, 2.082, 2.23, 2.576),
    memory_gib=(0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0),
    memory_shares=(
        (0.011, 0.011, 0.085, 0.043, 0.16, 0.138, 0.457, 0.074, 0.021, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.511, 0.362, 0.128, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.053, 0.389, 0.453, 0.011, 0.095),
    ),
)
"""Phones of 2015 to 2019 in AI Benchmark's list (Ignatov et al. 2019), each model once."""

CELLULAR_NETWORKS = CellularModel(
    down=LinkModel(median_mbit_s=4.99, spread=1.08, jitter=1.01, lasting_s=2.7, outages=0.011),
    up=LinkModel(median_mbit_s=1.34, spread=1.06, jitter=0.86, lasting_s=2.2, outages=0.032),
    correlation=0.75,
)
"""EV-DO, UMTS and LTE in moving cars in the United States (Winstein et al. 2013, Netravali et al. 2015)."""

PHONE_DAYS = CircadianModel(
    shares=(
        (
            *(0.55, 0.54, 0.59, 0.68, 0.71, 0.65, 0.58, 0.39, 0.17, 0.13, 0.21, 0.21),
            *(0.19, 0.23, 0.25, 0.3, 0.36, 0.28, 0.23, 0.26, 0.23, 0.22, 0.36, 0.47),
        ),
        (
            *(0.82, 0.75, 0.79, 0.79, 0.83, 0.85, 0.84, 0.75, 0.7, 0.74, 0.79, 0.79),
            *(0.76, 0.79, 0.81, 0.79, 0.81, 0.71, 0.7, 0.68, 0.71, 0.76, 0.81, 0.83),
        ),
        (
            *(0.83, 0.83, 0.93, 0.95, 0.95, 0.96, 0.9, 0.78, 0.6, 0.59, 0.59, 0.59),
            *(0.58, 0.64, 0.65, 0.64, 0.62, 0.52, 0.54, 0.5, 0.58, 0.61, 0.7, 0.73),
        ),
    ),
    person=(0.09, 0.23, 0.1),
    lasting_s=(3199.0, 1762.0, 454.0),
    correlations=(0.32, 0.79, 0.63),
)
"""30 phones of people in San Diego (ExtraSensory, Vaizman et al. 2017)."""

TRAINING_W = (3.6, 5.6, 5.5)
"""Peak watts of the processor of a slow, a middling and a fast phone (Kim and Wu 2021, "AutoFL", MICRO; table of
devices). Only their ratio to the last is used: `fleet.energy.training_w` is a fast phone's."""
