"""A partition's statistics as lines for a terminal."""

from collections.abc import Iterator

from fieldfare.emulator.partition.statistics._quantiles import QUANTILES
from fieldfare.emulator.partition.statistics._statistics import PartitionStatistics

_BAR = 40


def describe_partition(statistics: PartitionStatistics, *, whole: bool = False) -> Iterator[str]:
    """The lines.

    Args:
        statistics: what is told.
        whole: quantiles, histogram and features too.
    """
    one = statistics
    shared = "" if one.distinct == one.examples else f" ({one.distinct:,} different ones)"
    yield (
        f"{one.devices:,} devices, {one.examples:,} examples{shared}: {one.fewest} to {one.most} on a device, "
        f"median {one.median:g}; {one.held_out:,} are held out"
    )
    if one.label_distance is not None:
        yield f"labels of a device are {one.label_distance:.2f} from everybody's (0 alike, 1 disjoint)"
    if whole:
        yield from _details(one)


def _details(one: PartitionStatistics) -> Iterator[str]:
    yield ""
    yield f"{'share of the devices at or below':34}" + "".join(f"{share:>10.0%}" for share in QUANTILES)
    yield _row("examples of a device", one.size_quantiles)
    if one.labels is not None:
        yield _row(f"its labels, of {one.labels.known:,}", one.labels.distinct_quantiles)
        yield _row("distance from everybody's labels", one.labels.distance_quantiles)
    for feature in one.features:
        yield _row(f"mean of {feature.name!r}", feature.mean_quantiles)
        yield _row(f"standard deviation of {feature.name!r}", feature.deviation_quantiles)
    for feature in one.features:
        yield f"{feature.between:.1%} of the variance of {feature.name!r} lies between devices, chance taken off"
    yield ""
    yield "devices by their number of examples:"
    yield from _histogram(one.size_edges, one.size_counts)
    if one.labels is not None:
        yield ""
        yield "examples by label, on all devices:"
        largest = max(one.labels.totals)
        for value, total in zip(one.labels.values, one.labels.totals, strict=True):
            yield f"{value:>20} {total:>10,} {_bar(total, largest)}".rstrip()


def _histogram(edges: tuple[float, ...], counts: tuple[int, ...]) -> Iterator[str]:
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        first, last = round(low + 0.5), round(high - 0.5)
        sizes = f"{first:,}" if first == last else f"{first:,} to {last:,}"
        yield f"{sizes:>20} {count:>10,} {_bar(count, max(counts))}".rstrip()


def _bar(count: int, largest: int) -> str:
    return "#" * round(_BAR * count / largest)


def _row(name: str, values: tuple[float, ...]) -> str:
    return f"{name:34}" + "".join(f"{value:>10.4g}" for value in values)
