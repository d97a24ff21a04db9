"""Ways to deal examples out, other than by drawn label shares."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.partition._parts import Parts, dealt, even_sizes, parts_of


def iid_partition(examples: int, devices: int, *, rng: np.random.Generator) -> Parts:
    """A shuffle cut into parts whose sizes differ by one at the most.

    Args:
        examples: number of examples.
        devices: number of parts.
        rng: where the randomness comes from.

    Returns:
        For each device the sorted row numbers of its examples; every row is in exactly one part.

    Raises:
        DataError: fewer examples than devices.
    """
    check_enough(examples, devices, 1)
    return parts_of(dealt(rng.permutation(examples), even_sizes(examples, devices)), devices)


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
    shards = devices * per_device
    check_enough(len(labels), shards, 1)
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    shard_of_row = dealt(by_label, even_sizes(len(labels), shards))
    # Who gets a shard: the first `per_device` of a shuffle of the shards go to device 0, and so on.
    owner_of_shard = dealt(rng.permutation(shards), np.full(devices, per_device, np.int64))
    return parts_of(owner_of_shard[shard_of_row], devices)


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
    check_enough(examples, devices, min_examples)
    sizes = skewed_sizes(examples, devices, alpha=alpha, rng=rng, least=min_examples)
    return parts_of(dealt(rng.permutation(examples), sizes), devices)


def skewed_sizes(total: int, devices: int, *, alpha: float, rng: np.random.Generator, least: int) -> NDArray[np.int64]:
    """`(devices,)`, at least `least` each and `total` together; shares of what is above are drawn from Dirichlet."""
    spare = total - devices * least
    # Log-gammas: with small alpha every gamma of a draw may be too small for a float.
    logs = np.log(rng.standard_gamma(alpha + 1, devices)) + np.log1p(-rng.random(devices)) / alpha
    shares = np.exp(logs - logs.max())
    cuts = np.floor(np.cumsum(shares)[:-1] / shares.sum() * spare).astype(np.int64)
    sizes: NDArray[np.int64] = np.diff(cuts, prepend=0, append=spare) + least
    return sizes


def column_partition(column: NDArray[Any]) -> Parts:
    """One device for each value of a column, in the values' order.

    Args:
        column: `(n,)`, whose each example is.

    Returns:
        As `iid_partition`.
    """
    values, owners = np.unique(column, return_inverse=True)
    return parts_of(owners.astype(np.int32), len(values))


def check_enough(examples: int, devices: int, least: int) -> None:
    """Refuse more devices than the examples allow.

    Raises:
        ConfigError: no devices.
        DataError: too few examples.
    """
    if devices < 1:
        raise ConfigError("must be at least 1", field="devices")
    if examples < devices * least:
        raise DataError(
            f"{examples} examples are too few for {devices} parts with {least} each: lower the number of devices, or "
            "let them draw examples (partition.drawn_per_device)"
        )
