"""Names of a package that are imported when they are first asked for (PEP 562), so that importing it costs little."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_imports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package.

    Args:
        package: its name, for the error.
        homes: name to the module that has it.

    Returns:
        A function that raises AttributeError for every other name.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return find
