"""Ways to deal examples out, other than by drawn label shares."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError

Parts = list[NDArray[np.intp]]
_TRIES = 1000


def iid_partition(examples: int, devices: int, *, rng: np.random.Generator) -> Parts:
    """A shuffle cut into parts whose sizes differ by one at the most.

    Args:
        examples: number of examples.
        devices: number of parts.
        rng: where the randomness comes from.

    Returns:
        For each device the row numbers of its examples; every row is in exactly one part.

    Raises:
        DataError: fewer examples than devices.
    """
    _check_enough(examples, devices, 1)
    return [np.sort(part) for part in np.array_split(rng.permutation(examples), devices)]


def shard_partition(labels: NDArray[Any], devices: int, *, per_device: int, rng: np.random.Generator) -> Parts:
    """Examples sorted by label are cut into equal shards, and each device gets some (McMahan et al. 2017, section 3).

    Args:
        labels: `(n,)`, the label of each example.
        devices: number of parts.
        per_device: shards of a device; 2 in the paper.
        rng: shuffles within labels, and deals the shards out.

    Returns:
        As `iid_partition`.

    Raises:
        ConfigError: no shards.
        DataError: fewer examples than shards.
    """
    if per_device < 1:
        raise ConfigError("must be at least 1", field="shards_per_device")
    _check_enough(len(labels), devices * per_device, 1)
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    shards = np.array_split(by_label, devices * per_device)
    dealt = rng.permutation(devices * per_device).reshape(devices, per_device)
    return [np.sort(np.concatenate([shards[index] for index in mine])) for mine in dealt]


def quantity_partition(
    examples: int, devices: int, *, alpha: float, rng: np.random.Generator, min_examples: int = 1
) -> Parts:
    """A shuffle cut into parts whose shares are drawn from Dirichlet(alpha) (Li et al. 2022, "quantity skew").

    Each device gets `min_examples` first, and a share of the rest.

    Args:
        examples: number of examples.
        devices: number of parts.
        alpha: concentration; small values make the parts differ more.
        rng: where the randomness comes from.
        min_examples: fewest examples of a device.

    Returns:
        As `iid_partition`.

    Raises:
        DataError: more devices than the examples allow.
    """
    _check_enough(examples, devices, min_examples)
    spare = examples - devices * min_examples
    # Log-gammas: with small alpha every gamma of a draw may be too small for a float.
    logs = np.log(rng.standard_gamma(alpha + 1, devices)) + np.log1p(-rng.random(devices)) / alpha
    shares = np.exp(logs - logs.max())
    cuts = np.floor(np.cumsum(shares)[:-1] / shares.sum() * spare).astype(np.intp)
    cuts += min_examples * np.arange(1, devices)
    return [np.sort(part) for part in np.split(rng.permutation(examples), cuts)]


def column_partition(column: NDArray[Any]) -> Parts:
    """One device for each value of a column, in the values' order.

    Args:
        column: `(n,)`, whose each example is.

    Returns:
        As `iid_partition`.
    """
    order = np.argsort(column, kind="stable")
    _, starts = np.unique(column[order], return_index=True)
    return [np.sort(part) for part in np.split(order, starts[1:])]


def _check_enough(examples: int, devices: int, least: int) -> None:
    if devices < 1:
        raise ConfigError("must be at least 1", field="devices")
    if examples < devices * least:
        raise DataError(f"{examples} examples are too few for {devices} parts with {least} each")
