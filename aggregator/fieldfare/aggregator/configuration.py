"""The aggregator's configuration file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.configuration import FLAT, Key, build_settings, keys_of, parse_toml, print_settings, with_values
from fieldfare.core.files import read_small

__all__ = ["Configuration", "keys", "print_configuration", "read_configuration"]

_HEAD = """\
# Configuration of `fieldfare serve --config FILE`: every setting with its default.
# A line that begins with "#" and a key shows a default; remove the "#" to change it. Flags go before the file.
# Durations are written "250ms", "30s", "10min", "1h", "2d"; sizes "64KiB", "256MiB", "1GiB".
"""


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
    settings: ServerSettings = field(default_factory=ServerSettings, metadata={FLAT: True})


def keys() -> Iterator[Key]:
    """Every key of a file, in the order in which it is printed."""
    yield from keys_of(Configuration)


def read_configuration(path: Path | None, flags: Mapping[str, Any]) -> Configuration:
    """The file's settings, where there is a file, with the flags on top.

    Args:
        path: a TOML file; None for none.
        flags: values by dotted name, as they would stand in the file; None for a flag that was not given.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    field = "--config"
    tree = {} if path is None else parse_toml(read_small(path, field=field), str(path), field)
    return build_settings(Configuration, with_values(tree, flags))


def print_configuration(configuration: Configuration) -> str:
    """A file from which `read_configuration` makes the same again. Values other than the defaults stand without "#"."""
    return print_settings(configuration, _HEAD, ServerSettings)
