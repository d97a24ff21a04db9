"""Settings as a commented TOML file; the comments are the docstrings of the settings."""

import inspect
import itertools
import re
import textwrap
from pathlib import Path
from typing import Any, get_args

from fieldfare.core.configuration._keys import Key, keys_of
from fieldfare.core.configuration._values import to_toml

_WIDTH = 100


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


def print_settings(settings: Any, head: str, about: type) -> str:
    """A file from which the same settings are read again. Values other than the defaults stand without "#".

    Args:
        settings: an instance of a settings class all of whose fields have defaults.
        head: what stands first, each line a comment.
        about: the class whose docstring tells what each section is for.
    """
    cls = type(settings)
    defaults, sections = cls(), documentation(about)
    lines = [head]
    for section, group in itertools.groupby(keys_of(cls), lambda key: ".".join(key.path[:-1])):
        keys = list(group)
        if section:
            told = sections.get(section) or _first_line(keys[0].owner)
            lines += textwrap.wrap(_sentence(told), _WIDTH - 2, initial_indent="# ", subsequent_indent="# ")
            lines += [f"[{section}]", ""]
        for key in keys:
            told = _sentence(documentation(key.owner).get(key.path[-1], ""))
            lines += textwrap.wrap(told, _WIDTH - 2, initial_indent="# ", subsequent_indent="# ")
            lines += [_line(key, key.value_in(settings), key.value_in(defaults)), ""]
    return "\n".join(lines)


def _first_line(cls: type) -> str:
    """What a section inside of a section is for."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _line(key: Key, value: Any, default: Any) -> str:
    name = key.path[-1]
    if value is None:
        return f'#{name} = "{"PATH" if Path in (key.kind, *get_args(key.kind)) else "TEXT"}"'
    if value == default:
        return f"#{name} = {to_toml(value, nbytes=key.nbytes)}"
    return f"{name} = {to_toml(value, nbytes=key.nbytes)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
