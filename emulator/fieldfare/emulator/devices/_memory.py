"""Memory classes of devices, and who is too small for a task."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.encodings import stage_names
from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import Manifest
from fieldfare.core.tasks import TaskSpec, unfit
from fieldfare.emulator.devices._capabilities import capabilities
from fieldfare.emulator.devices._streams import MEMORY
from fieldfare.emulator.devices.profiles import PhoneModels
from fieldfare.emulator.scenario import MemorySettings

_PLAIN_BYTES = 2**32
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Who is never asked.

    Attributes:
        fit: `(devices,)` bool: who may be.
        reasons: why the others are not, to how many they are.
    """

    fit: NDArray[np.bool_]
    reasons: dict[str, int]


def draw_memory(
    settings: MemorySettings, models: PhoneModels | None, third: NDArray[np.intp], seed: int
) -> NDArray[np.int64]:
    """`(devices,)`: bytes that each device lends to training.

    Args:
        settings: of the scenario.
        models: the profile's classes, for a scenario that names none; None: every device has 4 GiB.
        third: `(devices,)`: 0, 1 or 2: whether a device is among the slowest third, the middle one, or the fastest.
        seed: of the draws.
    """
    chance = np.random.default_rng([seed, MEMORY]).random(len(third))
    if settings.sizes_bytes:
        sizes = np.array(settings.sizes_bytes, np.float64)
        drawn = sizes[_classes(settings.shares, chance)]
    elif models is not None:
        sizes = _GIB * np.array(models.memory_gib)
        drawn = np.empty(len(third))
        for one, shares in enumerate(models.memory_shares):
            among = third == one
            drawn[among] = sizes[_classes(shares, chance[among])]
    else:
        drawn = np.full(len(third), float(_PLAIN_BYTES))
    return np.floor(settings.usable_share * drawn).astype(np.int64)


def _classes(shares: tuple[float, ...], chance: NDArray[np.float64]) -> NDArray[np.intp]:
    bounds = np.cumsum(shares) / np.sum(shares)
    # Safe: the last bound may come out a little below one.
    found: NDArray[np.intp] = np.minimum(np.searchsorted(bounds, chance, side="right"), np.flatnonzero(shares)[-1])
    return found


def too_small(memory_bytes: NDArray[np.int64], spec: TaskSpec, manifest: Manifest) -> Exclusions:
    """Who is too small for the aggregator's conditions, or for the plan.

    Args:
        memory_bytes: `(devices,)`.
        spec: of the task.
        manifest: of its plan.

    Raises:
        ConfigError: nobody is left.
    """
    sizes, of = np.unique(memory_bytes, return_inverse=True)
    whys = [_why(int(size), spec, manifest) for size in sizes]
    reasons: dict[str, int] = {}
    for why, count in zip(whys, np.bincount(of), strict=True):
        if why is not None:
            reasons[why] = reasons.get(why, 0) + int(count)
    fit = np.array([why is None for why in whys])[of]
    if not fit.any():
        raise ConfigError(f"no device of the fleet can take the task: {'; '.join(reasons)}", field="fleet.memory")
    return Exclusions(fit, reasons)


def _why(size: int, spec: TaskSpec, manifest: Manifest) -> str | None:
    stages = frozenset(stage_names(spec.encoding))
    if (why := unfit(spec.eligibility, spec.aggregation.algorithm, stages, capabilities(size))) is not None:
        return why
    if size < manifest.training_memory_bytes:
        return f"the plan takes about {manifest.training_memory_bytes:,} bytes of memory to train"
    return None
