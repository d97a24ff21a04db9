"""Amounts as people read them."""

_TIMES = (("days", 86_400), ("h", 3_600), ("min", 60))
_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_ENERGIES = (("MWh", 3.6e9), ("kWh", 3.6e6), ("Wh", 3.6e3))
_LARGE = 1e4


def duration(seconds: float) -> str:
    """Such as "3.4 h"."""
    for unit, size in _TIMES:
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"


def nbytes(count: float) -> str:
    """Such as "12.3 MB"."""
    for unit, size in _SIZES:
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} bytes"


def energy(joules: float) -> str:
    """Such as "4.2 Wh"."""
    for unit, size in _ENERGIES:
        if joules >= size:
            return f"{joules / size:,.2f} {unit}"
    return f"{joules:,.1f} J"


def number(value: float) -> str:
    """With four significant digits, without an exponent where that is short."""
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"


def share(part: float, whole: float) -> str:
    """In percent; a dash where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
