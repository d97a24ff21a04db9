"""The configuration as a commented TOML file; the comments are the docstrings of the settings."""

import inspect
import itertools
import re
import textwrap
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fieldfare.aggregator.configuration._configuration import Configuration, Key, keys
from fieldfare.aggregator.configuration._values import to_toml
from fieldfare.aggregator.settings import ServerSettings

_WIDTH = 100
_HEAD = """\
# Configuration of `fieldfare serve --config FILE`: every setting with its default.
# A line that begins with "#" and a key shows a default; remove the "#" to change it. Flags go before the file.
# Durations are written "250ms", "30s", "10min", "1h", "2d"; sizes "64KiB", "256MiB", "1GiB".
"""


def documentation(cls: type) -> dict[str, str]:
    """What a class's docstring says of each attribute, by name; as one line."""
    text = inspect.getdoc(cls) or ""
    attributes = text.partition("Attributes:\n")[2]
    entries: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        if match := re.fullmatch(r" {4}(\w+): (.*)", line):
            name, entries[match[1]] = match[1], match[2]
        elif name and line.startswith(" " * 8):
            entries[name] += f" {line.strip()}"
        else:
            break
    return entries


def print_configuration(configuration: Configuration) -> str:
    """A file from which `read_configuration` makes the same again. Values other than the defaults stand without "#"."""
    defaults = Configuration()
    sections = {"": Configuration, **get_type_hints(ServerSettings)}
    about = documentation(ServerSettings)
    lines = [_HEAD]
    for section, group in itertools.groupby(keys(), lambda key: key.path[0] if key.path[1:] else ""):
        if section:
            lines += [f"# {_sentence(about.get(section, ''))}", f"[{section}]", ""]
        told = documentation(sections[section])
        for key in group:
            lines += textwrap.wrap(_sentence(told.get(key.path[-1], "")), _WIDTH - 2, initial_indent="# ",
                                   subsequent_indent="# ")  # fmt: skip
            lines += [_line(key, key.value_in(configuration), key.value_in(defaults)), ""]
    return "\n".join(lines)


def _line(key: Key, value: Any, default: Any) -> str:
    name = key.path[-1]
    if value is None:
        return f'#{name} = "{"PATH" if Path in (key.kind, *get_args(key.kind)) else "TEXT"}"'
    if value == default:
        return f"#{name} = {to_toml(value, nbytes=key.nbytes)}"
    if key.secret:
        return f"#{name} is set, and not shown"
    return f"{name} = {to_toml(value, nbytes=key.nbytes)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
