"""What is varied: keys of the scenario, each with the values that it takes, or named cases of several keys at once."""

import hashlib
import itertools
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldfare.core.configuration import parse_assignment
from fieldfare.core.errors import ConfigError

MOST_RUNS = 100
"""Of one sweep."""

_LONGEST_NAME = 80
_EXAMPLE = "seed=1,2,3"
_CASES = "cases"


@dataclass(frozen=True, slots=True)
class Axis:
    """One key and its values, or "case" and the names of cases.

    Attributes:
        key: dotted, as in the scenario: "task.aggregation.algorithm".
        values: as they would stand in the file; all different.
        cases: what each case sets, by dotted key; empty where a key is varied.

    Raises:
        ConfigError: no values, or one of them twice.
    """

    key: str
    values: tuple[Any, ...]
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """Of the scenario, those that it sets."""
        return {key for case in self.cases.values() for key in case} if self.cases else {self.key}

    def settings(self, value: Any) -> Mapping[str, Any]:
        """What a value sets, by dotted key."""
        return self.cases[value] if self.cases else {self.key: value}

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("needs at least one value", field=f"sweep.{self.key}")
        told = [json.dumps(value, sort_keys=True, default=str) for value in self.values]
        if twice := next((one for one in told if told.count(one) > 1), None):
            raise ConfigError(f"has the value {twice} twice", field=f"sweep.{self.key}")


def parse_axis(text: str) -> Axis:
    """KEY=VALUE,VALUE...; values that hold commas are written as a TOML list, KEY=[VALUE, VALUE].

    Raises:
        ConfigError: no key, or no value.
    """
    key, equals, listed = text.partition("=")
    if not equals or not listed:
        raise ConfigError(f"needs KEY=VALUE,VALUE, such as {_EXAMPLE}, got {text!r}", field="--sweep")
    if listed.startswith("["):
        try:
            values = tomllib.loads(f"values = {listed}")["values"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{listed!r} is no list in TOML: {error}", field="--sweep") from error
        return Axis(key, tuple(values))
    pairs = [parse_assignment(f"{key}={one.strip()}", "--sweep", _EXAMPLE) for one in listed.split(",")]
    return Axis(pairs[0][0], tuple(value for _, value in pairs))


def axes_from_table(table: Any) -> list[Axis]:
    """The axes of a scenario's table `[sweep]`.

    Args:
        table: as `tomllib` gives it. `"task.local.epochs" = [1, 5]` is an axis, with its tables written out or not; the
            table `cases` is one whose values have names, each a table of what it sets.

    Raises:
        ConfigError: a key without a list of values.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"needs a list of values for each key, got {table!r}", field="sweep")
    axes = []
    for key, values in _leaves({name: inner for name, inner in table.items() if name != _CASES}).items():
        if not isinstance(values, list):
            raise ConfigError(f"needs a list of values, got {values!r}", field=f"sweep.{key}")
        axes.append(Axis(key, tuple(values)))
    if _CASES in table:
        axes.insert(0, _cases(table[_CASES]))
    return axes


def _cases(table: Any) -> Axis:
    if not isinstance(table, Mapping) or not all(isinstance(one, Mapping) for one in table.values()):
        raise ConfigError('needs a table for each case, such as slow = {"fleet.dropout" = 0.1}', field="sweep.cases")
    return Axis("case", tuple(table), {name: _leaves(inner) for name, inner in table.items()})


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = (*path, name)
        found |= _leaves(value, inner) if isinstance(value, Mapping) else {".".join(inner): value}
    return found


def combinations(axes: Sequence[Axis]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each value of each axis with each of the others, the last axis fastest.

    Yields:
        The values by the axes' keys, and what they set by dotted key.

    Raises:
        ConfigError: more than `MOST_RUNS` of them, or a key that two axes vary.
    """
    known: set[str] = set()
    for axis in axes:
        if twice := sorted(known & axis.keys):
            raise ConfigError("is varied twice", field=f"sweep.{twice[0]}")
        known |= axis.keys
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_RUNS:
        raise ConfigError(f"would be {count} runs; {MOST_RUNS} are the most", field="sweep")
    for values in itertools.product(*(axis.values for axis in axes)):
        pairs = list(zip(axes, values, strict=True))
        settings = {key: found for axis, value in pairs for key, found in axis.settings(value).items()}
        yield {axis.key: value for axis, value in pairs}, settings


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key where that is enough to tell them apart, else the whole key."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)}


def describe(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Such as "algorithm=FEDAVG seed=1"."""
    return " ".join(f"{names[key]}={_text(value)}" for key, value in values.items())


def folder_name(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The same, fit for a folder; equal values have equal names, and different ones different ones."""
    told = "-".join(f"{names[key]}={_text(value)}" for key, value in values.items())
    legal = re.sub(r"[^A-Za-z0-9._=+-]", "_", told)[:_LONGEST_NAME]
    if legal == told and not told.startswith("."):
        return told
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
    return f"{legal.lstrip('.')}-{digest[:8]}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
