"""Typed settings: frozen dataclasses from TOML that refuses what it does not know, and back as a commented file.

A setting is a field with a default; its bounds are in `__post_init__`, and its line under `Attributes:` is its
documentation. A field that is a dataclass is a section. Types are bool, int, float, str, timedelta, Path, a tuple of
any length of one of these, a mapping from names to one of these (a table whose keys are the user's), a Literal of
strings, or one of them or None; an int whose name ends with `_bytes` may have a unit.
"""

from fieldfare.core.configuration._keys import FLAT, Key, keys_of
from fieldfare.core.configuration._printing import documentation, print_settings
from fieldfare.core.configuration._reading import build_settings, parse_assignment, parse_toml, with_values
from fieldfare.core.configuration._values import from_toml, to_toml

__all__ = [
    "FLAT",
    "Key",
    "build_settings",
    "documentation",
    "from_toml",
    "keys_of",
    "parse_assignment",
    "parse_toml",
    "print_settings",
    "to_toml",
    "with_values",
]
