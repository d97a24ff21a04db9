"""Unequal label shares: each label is spread over the devices by a draw from a Dirichlet distribution."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError

_TRIES = 1000
# Shares are equal to six digits there; far beyond, draws overflow.
_LARGEST_ALPHA = 1e6


def dirichlet_partition(
    labels: NDArray[Any], devices: int, *, alpha: float, rng: np.random.Generator, min_examples: int = 1
) -> list[NDArray[np.intp]]:
    """Split examples over devices with label shares drawn from Dirichlet(alpha) (Hsu, Qi and Brown 2019).

    For each label, proportions over the devices are drawn and its shuffled examples are cut accordingly. A draw that
    leaves a device with fewer than `min_examples` is made again.

    Args:
        labels: `(n,)`, the label of each example.
        devices: number of parts.
        alpha: concentration, at most 1e6; small values give devices few labels, large ones nearly equal shares.
        rng: where the randomness comes from.
        min_examples: fewest examples of a device.

    Returns:
        For each device the sorted row numbers of its examples; every row is in exactly one part.

    Raises:
        ConfigError: devices or alpha out of bounds.
        DataError: more devices than the examples allow, or no draw that gives every device enough.
    """
    if devices < 1:
        raise ConfigError("must be at least 1", field="devices")
    if not 0 < alpha <= _LARGEST_ALPHA:
        raise ConfigError(f"must be above 0 and at most {_LARGEST_ALPHA:g}", field="alpha")
    if len(labels) < max(1, devices * min_examples):
        raise DataError(f"{len(labels)} examples are too few for {devices} devices with {min_examples} each")
    for _ in range(_TRIES):
        parts = _draw(labels, devices, alpha, rng)
        if min(len(part) for part in parts) >= min_examples:
            return parts
    raise DataError(
        f"no draw of {_TRIES} gave each of {devices} devices {min_examples} examples: "
        "raise alpha, or lower devices or min_examples"
    )


def _draw(labels: NDArray[Any], devices: int, alpha: float, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    parts: list[list[NDArray[np.intp]]] = [[] for _ in range(devices)]
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(devices, alpha))
        cuts = np.floor(np.cumsum(shares)[:-1] * len(rows)).astype(np.intp)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
