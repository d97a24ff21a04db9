"""Metric sums over a round that come out the same in any order of arrival."""

import json
from collections.abc import Mapping
from fractions import Fraction

from fieldfare.core.errors import StorageError
from fieldfare.core.metrics import MetricSum

_QUANTUM_BITS = 64
# Safe: a total below 2**960 is a float; what devices may report stays far below it.
_MAX_UNITS = 2 ** (960 + _QUANTUM_BITS)


class MetricTotals:
    """Sums and weights as exact integers in units of 2**-64; merging two of them is exact too."""

    def __init__(self) -> None:
        self._totals: dict[str, tuple[int, int]] = {}

    def add(self, metrics: Mapping[str, MetricSum]) -> None:
        """Add one device's sums; they are finite."""
        self._merge({name: (_to_units(one.sum), _to_units(one.weight)) for name, one in metrics.items()})

    def merge(self, other: "MetricTotals") -> None:
        """Add another total."""
        self._merge(other._totals)

    def _merge(self, totals: Mapping[str, tuple[int, int]]) -> None:
        for name, (sum_units, weight_units) in totals.items():
            old_sum, old_weight = self._totals.get(name, (0, 0))
            self._totals[name] = (old_sum + sum_units, old_weight + weight_units)

    def sums(self) -> dict[str, MetricSum]:
        """The totals as floats, by name in alphabetical order."""
        return {
            name: MetricSum(_from_units(units), _from_units(weight))
            for name, (units, weight) in sorted(self._totals.items())
        }

    def to_json(self) -> str:
        """Exact: what a snapshot row keeps."""
        return json.dumps({name: [str(one) for one in pair] for name, pair in sorted(self._totals.items())})

    @classmethod
    def from_json(cls, text: str) -> "MetricTotals":
        """The inverse of `to_json`.

        Raises:
            StorageError: damaged text.
        """
        totals = cls()
        try:
            totals._totals = {name: _read_pair(pair) for name, pair in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise StorageError("the metric totals of a snapshot are damaged") from error
        return totals


def _read_pair(pair: list[str]) -> tuple[int, int]:
    sum_text, weight_text = pair
    sum_units, weight_units = int(sum_text, base=10), int(weight_text, base=10)
    if not (abs(sum_units) < _MAX_UNITS and 0 < weight_units < _MAX_UNITS):
        raise ValueError("out of range")
    return sum_units, weight_units


def _to_units(value: float) -> int:
    """The nearest integer to `value * 2 ** _QUANTUM_BITS`, ties to even, exactly."""
    numerator, denominator = value.as_integer_ratio()
    units, rest = divmod(numerator << _QUANTUM_BITS, denominator)
    return units + (2 * rest + (units & 1) > denominator)


def _from_units(units: int) -> float:
    return float(Fraction(units, 2**_QUANTUM_BITS))
