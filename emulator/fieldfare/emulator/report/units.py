"""Amounts in units in which people read them."""

from collections.abc import Sequence
from typing import NamedTuple

_TIME = (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0))
_BYTES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_ENERGY = (("MJ", 1e6), ("kJ", 1e3))
# Two of the next larger unit are still shown in the smaller one.
_ENOUGH = 2.0


class Unit(NamedTuple):
    """A unit and how much of the smallest one it is."""

    name: str
    size: float


def time_unit(seconds: Sequence[float]) -> Unit:
    """For times up to the largest of these."""
    return _unit(seconds, _TIME, Unit("seconds", 1.0))


def byte_unit(nbytes: Sequence[float]) -> Unit:
    """For amounts up to the largest of these."""
    return _unit(nbytes, _BYTES, Unit("bytes", 1.0))


def energy_unit(joules: Sequence[float]) -> Unit:
    """For energies up to the largest of these."""
    return _unit(joules, _ENERGY, Unit("J", 1.0))


def _unit(values: Sequence[float], known: Sequence[tuple[str, float]], smallest: Unit) -> Unit:
    largest = max((abs(one) for one in values), default=0.0)
    return next((Unit(name, size) for name, size in known if largest >= _ENOUGH * size), smallest)
