"""From TOML to a settings class."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar

from fieldfare.core.configuration._keys import FLAT, keys_of, members
from fieldfare.core.configuration._values import from_toml
from fieldfare.core.errors import ConfigError

_T = TypeVar("_T")


def build_settings(cls: type[_T], tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> _T:
    """An instance from a table such as `tomllib` gives.

    Args:
        cls: a frozen dataclass; see the package.
        tree: the table.
        path: names of the tables around it, for messages.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a value of the wrong type or out of its bounds.
    """
    known = {key.path[len(path)]: key for key in keys_of(cls, path)}
    if unknown := sorted(set(tree) - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"there is no such key; {hint}", field=".".join((*path, unknown[0])))
    values: dict[str, Any] = {}
    for name, (kind, one) in members(cls).items():
        dotted = ".".join((*path, name))
        if one.metadata.get(FLAT):
            beside = {key.path[len(path)] for key in keys_of(kind, path)}
            values[name] = build_settings(kind, {key: tree[key] for key in tree if key in beside}, path)
        elif name not in tree:
            continue
        elif isinstance(kind, type) and is_dataclass(kind):
            values[name] = build_settings(kind, _table(tree[name], dotted), (*path, name))
        else:
            values[name] = from_toml(tree[name], kind, nbytes=known[name].nbytes, name=dotted)
    return cls(**values)


def parse_toml(content: bytes, source: str, field: str) -> dict[str, Any]:
    """A file's tables.

    Args:
        content: of the file.
        source: what the file is called, for messages.
        field: the flag that named it, for messages.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not TOML: {error}", field=field) from error


def with_values(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with values on top.

    Args:
        tree: is not changed.
        values: by dotted name, as they would stand in the file; None for one that is not given.

    Raises:
        ConfigError: a value inside of what is no table.
    """
    result = dict(tree)
    for name, value in values.items():
        if value is not None:
            first, _, rest = name.partition(".")
            result[first] = with_values(_table(result.get(first, {}), first), {rest: value}) if rest else value
    return result


def parse_assignment(text: str, field: str, example: str) -> tuple[str, Any]:
    """KEY=VALUE; a value that is none in TOML stands for itself as a text, so that 30s needs no quotes.

    Args:
        text: what was given.
        field: the flag, for messages.
        example: shown where it cannot be read.

    Raises:
        ConfigError: no key, or no value.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and all(name.split("."))):
        raise ConfigError(f"needs KEY=VALUE, such as {example}, got {text!r}", field=field)
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"must be a table, got {value!r}", field=name)
    return value
