"""Unequal label shares: each label is spread over the devices by a draw from a Dirichlet distribution."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.partition._parts import Parts, parts_of

_TRIES = 1000
# Shares that all tries together may draw: some seconds.
_MOST_SHARES = 20_000_000
# Shares are equal to six digits there; far beyond, draws overflow.
_LARGEST_ALPHA = 1e6


def dirichlet_partition(
    labels: NDArray[Any], devices: int, *, alpha: float, rng: np.random.Generator, min_examples: int = 1
) -> Parts:
    """Split examples over devices with label shares drawn from Dirichlet(alpha).

    For each label k, shares p_k ~ Dir(alpha) over the devices are drawn and its shuffled examples are cut accordingly
    (Yurochkin et al. 2019, section 4; Li et al. 2022, "distribution-based label imbalance"). A draw that leaves a
    device with fewer than `min_examples` is made again, up to 1,000 times, fewer for large fleets.

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
        raise DataError(
            f"{len(labels)} examples are too few for {devices} devices with {min_examples} each: lower the number of "
            "devices, or let them draw examples (partition.drawn_per_device)"
        )
    by_label = rows_by_label(labels)
    tries = min(_TRIES, max(1, _MOST_SHARES // (devices * len(by_label))))
    for _ in range(tries):
        owners = _draw(by_label, len(labels), devices, alpha, rng)
        if np.bincount(owners, minlength=devices).min() >= min_examples:
            return parts_of(owners, devices)
    raise DataError(
        f"no draw of {tries} gave each of {devices} devices {min_examples} examples: "
        "raise alpha, lower devices or min_examples, or let devices draw examples (partition.drawn_per_device)"
    )


def rows_by_label(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """For each label, in their order, the ascending rows that have it."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    return np.split(order, starts[1:])


def _draw(
    by_label: list[NDArray[np.int64]], examples: int, devices: int, alpha: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    owners = np.empty(examples, np.int32)
    for of_label in by_label:
        rows = rng.permutation(of_label)
        shares = rng.dirichlet(np.full(devices, alpha))
        cuts = np.floor(np.cumsum(shares)[:-1] * len(rows)).astype(np.int64)
        owners[rows] = np.repeat(np.arange(devices, dtype=np.int32), np.diff(cuts, prepend=0, append=len(rows)))
    return owners
