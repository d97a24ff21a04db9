"""Packages that only some sources need."""

from importlib import import_module
from typing import Any

from fieldfare.core.errors import ConfigError


def needed(module: str, *, to: str, extra: str) -> Any:
    """Import a module.

    Args:
        module: such as "pyarrow.parquet".
        to: what it is needed for.
        extra: of Fieldfare that brings it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise ConfigError(
            f"{to} needs the package {error.name}: pip install 'fieldfare[{extra}]'", field="data.source"
        ) from error
