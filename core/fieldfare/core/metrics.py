"""Metrics as sums: what is exact to add over batches, devices and replicas."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fieldfare.core.errors import UpdateError
from fieldfare.protos.v1 import tensors_pb2

__all__ = [
    "AFTER",
    "BEFORE",
    "LOSS",
    "MAX_METRICS",
    "MetricSum",
    "add_metrics",
    "local_metric_names",
    "local_metrics_problem",
    "means",
    "metrics_from_proto",
    "metrics_to_proto",
]

LOSS = "loss"
"""Name under which every plan's loss is reported."""

BEFORE = "before/"
"""Stands before the name of a metric that a device measured on its held-out examples before it trained."""

AFTER = "after/"
"""The same, with the device's own weights after it trained."""

MAX_METRICS = 64
"""Metrics that one report may carry."""

MAX_METRIC_NAME = 64
"""Characters that a metric's name may have."""

# Safe: a hundred thousand sums of this size are a float still, and every weight is many units of `MetricTotals`.
_LARGEST = 1e30
_SMALLEST_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True)
class MetricSum:
    """One metric over some examples: `sum` of weight times value, and the `weight` itself (usually a count)."""

    sum: float
    weight: float

    @property
    def mean(self) -> float:
        """`sum / weight`. Safe: `weight` is positive wherever sums come from outside."""
        return self.sum / self.weight

    def __add__(self, other: "MetricSum") -> "MetricSum":
        return MetricSum(self.sum + other.sum, self.weight + other.weight)


def add_metrics(parts: Iterable[Mapping[str, MetricSum]]) -> dict[str, MetricSum]:
    """Sum by name with `math.fsum`, so that the result does not depend on the order of the parts.

    A metric whose weight is zero in the end says nothing and is left out: the precision of a model that never says yes.
    """
    collected: dict[str, list[MetricSum]] = {}
    for part in parts:
        for name, value in part.items():
            collected.setdefault(name, []).append(value)
    totals = {
        name: MetricSum(math.fsum(one.sum for one in values), math.fsum(one.weight for one in values))
        for name, values in sorted(collected.items())
    }
    return {name: total for name, total in totals.items() if total.weight > 0}


def means(sums: Mapping[str, MetricSum]) -> dict[str, float]:
    """The weighted mean of each metric."""
    return {name: value.mean for name, value in sums.items()}


def local_metric_names(names: Iterable[str]) -> frozenset[str]:
    """The names under which the metrics of these names are reported before and after local training."""
    return frozenset(prefix + name for name in names for prefix in (BEFORE, AFTER))


def local_metrics_problem(names: Sequence[str]) -> str:
    """Why a report cannot carry these metrics twice, beside the loss of the training itself; empty where it can."""
    if 1 + 2 * len(names) > MAX_METRICS:
        return f"is for plans of at most {(MAX_METRICS - 1) // 2} metrics, loss included; this one has {len(names)}"
    if taken := sorted(name for name in names if name.startswith((BEFORE, AFTER))):
        return f"is for plans none of whose metrics is called {BEFORE}... or {AFTER}...; this one has {taken[0]!r}"
    longest = MAX_METRIC_NAME - len(BEFORE)
    if any(len(name) > longest for name in names):
        return f"is for plans whose metrics have names of at most {longest} characters"
    return ""


def metrics_to_proto(sums: Mapping[str, MetricSum]) -> list[tensors_pb2.MetricSum]:
    """In the order of the names, so that equal sums give equal bytes."""
    return [
        tensors_pb2.MetricSum(name=name, sum=value.sum, weight=value.weight) for name, value in sorted(sums.items())
    ]


def metrics_from_proto(protos: Iterable[tensors_pb2.MetricSum]) -> dict[str, MetricSum]:
    """Check and read metrics that a peer sent.

    Raises:
        UpdateError: a name that is empty, too long or stands twice; a sum or weight that is not finite or beyond 1e30;
            a weight below 1e-6; more than `MAX_METRICS` of them.
    """
    result: dict[str, MetricSum] = {}
    for proto in protos:
        if not 0 < len(proto.name) <= MAX_METRIC_NAME or proto.name in result or len(result) >= MAX_METRICS:
            raise UpdateError("metrics", "metric names must be unique, of 1 to 64 characters, and 64 at the most")
        # Safe: NaN fails every comparison.
        if not (abs(proto.sum) <= _LARGEST and _SMALLEST_WEIGHT <= proto.weight <= _LARGEST):
            raise UpdateError("metrics", f"metric {proto.name!r} needs a finite sum and a positive finite weight")
        result[proto.name] = MetricSum(proto.sum, proto.weight)
    return result
