"""Devices that draw their examples with replacement, so that a fleet may be larger than its data.

Which rows are held out is settled once, for all devices: what one device trains on, none is evaluated on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.emulator.partition._dirichlet import rows_by_label
from fieldfare.emulator.partition._parts import even_sizes, starts_of
from fieldfare.emulator.partition._splits import skewed_sizes

_LABEL_SHARES_AT_ONCE = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What the devices drew.

    Attributes:
        rows: `(n,)`, device after device; of each those to train on first.
        starts: `(devices + 1,)`: where each device's rows begin.
        held_out: `(devices,)`: how many of them, at the end, are held out.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    held_out: NDArray[np.int64]


def held_out_of(sizes: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """How many of so many are held out: the nearest whole number, and never all of them."""
    nearest: NDArray[np.int64] = np.floor(sizes * share + 0.5).astype(np.int64)
    return np.minimum(nearest, sizes - 1)


def draw_evenly(examples: int, sizes: NDArray[np.int64], *, share: float, rng: np.random.Generator) -> Drawn:
    """Each device draws from all examples alike.

    Args:
        examples: number of examples.
        sizes: `(devices,)`: how many each device draws.
        share: that is held out.
        rng: where the randomness comes from.

    Raises:
        DataError: a single example, of which none can be held out.
    """
    if examples == 1 and share:
        raise DataError("a single example cannot be trained on and held out: set partition.held_out_share = 0")
    pools = _pools([np.arange(examples)], share, rng)
    held_out = held_out_of(sizes, share)
    kept = _positions(rng.random(int((sizes - held_out).sum())), pools.training_sizes[0])
    apart = _positions(rng.random(int(held_out.sum())), pools.held_out_sizes[0])
    return _joined(sizes, held_out, pools.training[kept], pools.held_out[apart])


def draw_by_quantity(
    examples: int, devices: int, mean: int, *, alpha: float, least: int, share: float, rng: np.random.Generator
) -> Drawn:
    """As `draw_evenly`, with sizes whose shares are drawn from Dirichlet(alpha) and whose mean is given."""
    sizes = skewed_sizes(devices * mean, devices, alpha=alpha, rng=rng, least=least)
    return draw_evenly(examples, sizes, share=share, rng=rng)


def draw_by_dirichlet(
    labels: NDArray[np.int64], devices: int, each: int, *, alpha: float, share: float, rng: np.random.Generator
) -> Drawn:
    """Each device draws its label shares q ~ Dir(alpha p), p the labels' shares in the data, then its examples.

    That is the population of Hsu, Qi and Brown 2019, section 3, with replacement.

    Args:
        labels: `(n,)`, the label of each example.
        devices: how many.
        each: examples of a device.
        alpha: concentration; small values give devices few labels.
        share: that is held out.
        rng: where the randomness comes from.

    Raises:
        DataError: a label with a single example, where examples are held out.
    """
    pools = _pools(rows_by_label(labels), share, rng)
    prior = pools.training_sizes + pools.held_out_sizes
    sizes = np.full(devices, each, np.int64)
    held_out = held_out_of(sizes, share)
    kept, apart = [], []
    at_once = max(1, _LABEL_SHARES_AT_ONCE // max(each, len(prior)))
    for first in range(0, devices, at_once):
        count = min(at_once, devices - first)
        shares = _dirichlet_rows(alpha * prior / prior.sum(), count, rng)
        kept.append(pools.draw_training(rng.multinomial(each - held_out[0], shares), rng))
        apart.append(pools.draw_held_out(rng.multinomial(held_out[0], shares), rng))
    return _joined(sizes, held_out, np.concatenate(kept), np.concatenate(apart))


def draw_shards(
    labels: NDArray[np.int64], devices: int, each: int, *, per_device: int, share: float, rng: np.random.Generator
) -> Drawn:
    """Examples sorted by label are cut into shards, of which each device draws some (after McMahan et al. 2017).

    Args:
        labels: `(n,)`, the label of each example.
        devices: how many.
        each: examples of a device, give or take one a shard.
        per_device: shards of a device.
        share: of each shard that is held out.
        rng: where the randomness comes from.
    """
    shards = max(1, round(len(labels) * per_device / each))
    sizes = even_sizes(len(labels), min(shards, len(labels)))
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    apart = held_out_of(sizes, share)
    begins = starts_of(sizes)[:-1]
    mine = rng.integers(0, len(sizes), (devices, per_device))
    # Of each shard the last rows are the held-out ones, whoever draws it.
    begin = np.concatenate([begins[mine], begins[mine] + (sizes - apart)[mine]], axis=1)
    count = np.concatenate([(sizes - apart)[mine], apart[mine]], axis=1)
    rows = by_label[_runs(begin.ravel(), count.ravel())]
    return Drawn(rows, starts_of(count.sum(axis=1)), apart[mine].sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class _Pools:
    """Rows to draw from, label after label."""

    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    training_sizes: NDArray[np.int64]
    held_out_sizes: NDArray[np.int64]

    def draw_training(self, counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows for `(devices, labels)` counts, device after device."""
        return self.training[_draw_labels(counts, self.training_sizes, rng)]

    def draw_held_out(self, counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """As `draw_training`, from the rows that are held out."""
        return self.held_out[_draw_labels(counts, self.held_out_sizes, rng)]


def _pools(groups: list[NDArray[np.int64]], share: float, rng: np.random.Generator) -> _Pools:
    sizes = np.array([len(rows) for rows in groups], np.int64)
    if share == 0:
        return _Pools(np.concatenate(groups), np.zeros(0, np.int64), sizes, np.zeros_like(sizes))
    if (lonely := int((sizes < 2).sum())) > 0:  # noqa: PLR2004 - one to train on, one to hold out
        raise DataError(
            f"{lonely} labels have a single example: with partition.drawn_per_device one of each label is held out, "
            "so two are needed; or set partition.held_out_share = 0"
        )
    apart = np.maximum(held_out_of(sizes, share), 1)
    shuffled = [rng.permutation(rows) for rows in groups]
    kept = [rows[: len(rows) - count] for rows, count in zip(shuffled, apart, strict=True)]
    rest = [rows[len(rows) - count :] for rows, count in zip(shuffled, apart, strict=True)]
    return _Pools(np.concatenate(kept), np.concatenate(rest), sizes - apart, apart)


def _draw_labels(
    counts: NDArray[np.int64], pool_sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    labels = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel())
    return starts_of(pool_sizes)[labels] + _positions(rng.random(len(labels)), pool_sizes[labels])


def _positions(chances: NDArray[np.float64], sizes: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    """From chances of 0 to below 1 to positions of 0 to below `sizes`; rounding cannot reach a size below 2**52."""
    return (chances * sizes).astype(np.int64)


def _dirichlet_rows(alphas: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`(count, labels)` shares; by the logarithms of gammas, all of which may be too small for a float."""
    shape = (count, len(alphas))
    logs = np.log(rng.standard_gamma(alphas + 1, shape)) + np.log1p(-rng.random(shape)) / alphas
    shares: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _joined(
    sizes: NDArray[np.int64], held_out: NDArray[np.int64], kept: NDArray[np.int64], apart: NDArray[np.int64]
) -> Drawn:
    """Each device's rows to train on, then its held-out ones."""
    starts = starts_of(sizes)
    is_apart = np.repeat(np.tile([False, True], len(sizes)), np.stack([sizes - held_out, held_out], axis=1).ravel())
    rows = np.empty(starts[-1], np.int64)
    rows[~is_apart], rows[is_apart] = kept, apart
    return Drawn(rows, starts, held_out)


def _runs(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """`begins[0], begins[0] + 1, ...`, `counts[0]` of them, then those from `begins[1]`, and so on."""
    starts = starts_of(counts)
    return np.arange(starts[-1]) + np.repeat(begins - starts[:-1], counts)
