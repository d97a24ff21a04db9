"""Settings as people write them: "30s", "256MiB", a path; and back."""

import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from fieldfare.core.errors import ConfigError

_DURATION_S: dict[str, float] = {"d": 86_400, "h": 3_600, "min": 60, "s": 1, "ms": 0.001}
_SIZE_BYTES: dict[str, float] = {
    "TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1,
}  # fmt: skip
_AMOUNT = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?) ?(?P<unit>[A-Za-z]+)")
_LONGEST = timedelta(days=3650)
_LARGEST_BYTES = 2**62


def from_toml(value: Any, kind: Any, *, nbytes: bool, name: str) -> Any:
    """A setting's value from what stands in the file.

    Args:
        value: as `tomllib` gave it.
        kind: the field's type: bool, int, float, str, timedelta, Path, a tuple of any length of one of these, a mapping
            from names to one of these, a Literal of strings, or one of them or None.
        nbytes: whether an int is a number of bytes, which may have a unit.
        name: the dotted name, for messages.

    Raises:
        ConfigError: a value of another type, or none that this type can have.
    """
    options = [one for one in get_args(kind) if one is not type(None)]
    if get_origin(kind) is Literal:
        if value not in options:
            raise ConfigError(f"must be one of {', '.join(options)}, got {value!r}", field=name)
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"must be a list, got {value!r}", field=name)
        return tuple(from_toml(one, options[0], nbytes=nbytes, name=name) for one in value)
    if get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"must be a table, got {value!r}", field=name)
        return {key: from_toml(one, options[1], nbytes=nbytes, name=f"{name}.{key}") for key, one in value.items()}
    if len(options) == 1:
        return from_toml(value, options[0], nbytes=nbytes, name=name)
    return _READERS[_BYTES if nbytes else kind](value, name)


def to_toml(value: Any, *, nbytes: bool) -> str:
    """The value as it would stand in a file."""
    if isinstance(value, timedelta):
        return f'"{_with_unit(value.total_seconds(), _DURATION_S)}"'
    if nbytes and isinstance(value, int):
        return f'"{_with_unit(value, _SIZE_BYTES)}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(to_toml(one, nbytes=nbytes) for one in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {to_toml(one, nbytes=nbytes)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _duration(value: Any, name: str) -> timedelta:
    seconds = _amount(value, _DURATION_S, name, 'must be a duration with its unit, such as "250ms", "30s" or "1h"')
    if seconds > _LONGEST.total_seconds():
        raise ConfigError("must be at most 3650 days", field=name)
    return timedelta(seconds=seconds)


def _size(value: Any, name: str) -> int:
    message = 'must be a whole number of bytes, or a size with its unit, such as "256MiB"'
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value, name)
    nbytes = _amount(value, _SIZE_BYTES, name, message)
    if nbytes != math.floor(nbytes) or nbytes > _LARGEST_BYTES:
        raise ConfigError(message, field=name)
    return int(nbytes)


def _amount(value: Any, units: dict[str, float], name: str, message: str) -> float:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["unit"] not in units:
        raise ConfigError(f"{message}; got {value!r}, known units: {', '.join(units)}", field=name)
    number = float(match["number"]) if "." in match["number"] else int(match["number"])
    return number * units[match["unit"]]


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST_BYTES:
        raise ConfigError(f"must be a whole number, got {value!r}", field=name)
    return value


def _number(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ConfigError(f"must be a number, got {value!r}", field=name)
    return float(value)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"must be true or false, got {value!r}", field=name)
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ConfigError(f"must be a text, got {value!r}", field=name)
    return value


def _path(value: Any, name: str) -> Path:
    text = _text(value, name)
    if not text:
        raise ConfigError("must not be empty", field=name)
    return Path(text)


_BYTES = "bytes"
_READERS: dict[Any, Any] = {
    bool: _flag, int: _whole, float: _number, str: _text, timedelta: _duration, Path: _path, _BYTES: _size,
}  # fmt: skip


def _with_unit(amount: float, units: dict[str, float]) -> str:
    """In the largest unit in which it is a whole number; milliseconds with fractions where there is none."""
    for unit, factor in units.items():
        # Milliseconds are no binary fraction: a duration is a whole number of microseconds, so rounding is exact.
        count = round(amount / factor, 6)
        if count == math.floor(count) and (count or factor == 1):
            return f"{int(count)}{unit}"
    smallest, factor = list(units.items())[-1]
    return f"{round(amount / factor, 6)}{smallest}"
