"""`Configuration`: a file's settings, checked key by key, with the flags on top."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fieldfare.aggregator.configuration._values import from_toml
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import ConfigError

_MAX_FILE_BYTES = 2**20
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What `fieldfare serve` runs with. In TOML, the sections of `settings` stand beside the other keys.

    Attributes:
        state: folder that holds everything, or what is this machine's own where a data base and object store are set.
        listen: where devices call, "HOST:PORT"; beyond loopback only with TLS.
        admin_listen: where `fieldfare task` and `AdminClient` call.
        settings: all sections.
    """

    state: Path | None = None
    listen: str = "127.0.0.1:8470"
    admin_listen: str = "127.0.0.1:8471"
    settings: ServerSettings = field(default_factory=ServerSettings)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        path: names of the tables in which it stands, then its own: ("limits", "max_reports").
        kind: its type.
        nbytes: whether it is a number of bytes.
        secret: whether its value is never shown.
    """

    path: tuple[str, ...]
    kind: Any
    nbytes: bool
    secret: bool

    @property
    def name(self) -> str:
        """The dotted name."""
        return ".".join(self.path)

    def value_in(self, configuration: Configuration) -> Any:
        """Its value."""
        value: Any = configuration if len(self.path) == 1 else configuration.settings
        for name in self.path:
            value = getattr(value, name)
        return value


def keys() -> Iterator[Key]:
    """Every key of a file, in the order in which it is printed."""
    yield from _keys(Configuration, ())


def read_configuration(path: Path | None, flags: Mapping[str, Any]) -> Configuration:
    """The file's settings, where there is a file, with the flags on top.

    Args:
        path: a TOML file; None for none.
        flags: values by dotted name, as they would stand in the file; None for a flag that was not given.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    tree = {} if path is None else _read_toml(path)
    for name, value in flags.items():
        if value is not None:
            *tables, last = name.split(".")
            inner = tree
            for table in tables:
                inner = _table(inner.setdefault(table, {}), table)
            inner[last] = value
    return _build(Configuration, tree, ())


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than 1 MiB: it is no configuration", field="--config")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", field="--config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", field="--config") from error


def _build(cls: type[_T], tree: Mapping[str, Any], path: tuple[str, ...]) -> _T:
    """An instance of a dataclass from a table; the sections of `ServerSettings` stand beside `Configuration`'s keys."""
    known = {key.path[len(path)]: key for key in _keys(cls, path)}
    if unknown := sorted(set(tree) - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"there is no such key; {hint}", field=".".join((*path, unknown[0])))
    values: dict[str, Any] = {}
    for name, (kind, _) in _members(cls).items():
        dotted = ".".join((*path, name))
        if kind is ServerSettings:
            sections = {one.name for one in fields(ServerSettings)}
            values[name] = _build(ServerSettings, {key: tree[key] for key in tree if key in sections}, path)
        elif name not in tree:
            continue
        elif isinstance(kind, type) and is_dataclass(kind):
            values[name] = _build(kind, _table(tree[name], dotted), (*path, name))
        else:
            values[name] = from_toml(tree[name], kind, nbytes=known[name].nbytes, name=dotted)
    return cls(**values)


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"must be a table, got {value!r}", field=name)
    return value


def _members(cls: type) -> dict[str, "tuple[Any, Field[Any]]"]:
    """Type and field by name; every field has a default."""
    hints = get_type_hints(cls)
    return {one.name: (hints[one.name], one) for one in fields(cls)}


def _keys(cls: type, path: tuple[str, ...]) -> Iterator[Key]:
    for name, (kind, one) in _members(cls).items():
        if kind is ServerSettings:
            yield from _keys(kind, path)
        elif is_dataclass(kind):
            yield from _keys(kind, (*path, name))  # type: ignore[arg-type]
        else:
            nbytes = name.endswith("_bytes")
            yield Key((*path, name), kind, nbytes, bool(one.metadata.get("secret")))
