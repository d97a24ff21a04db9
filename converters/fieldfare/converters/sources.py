"""Finds the Keras model that a command line or a scenario names, and calls the user's function that makes one."""

import importlib
import importlib.util
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fieldfare.core.errors import ConfigError, FieldfareError, ModelError, NotFoundError

HELP = (
    "a .keras file, or a function without arguments that returns a Keras model: "
    "path/to/file.py:name or package.module:name"
)

_UNREADABLE = (
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged archive raises, or one that another version of Keras wrote."""


def load_model(source: str) -> Any:
    """The Keras model that `source` names.

    Raises:
        ConfigError: `source` is written in none of the known ways.
        ModelError: the file holds no model, or the function returns none.
        NotFoundError: there is no such file, module or function.
    """
    if ":" not in source:
        return _from_file(Path(source))
    model = made_by(source)
    import keras

    if not isinstance(model, keras.Model):
        raise ModelError(f"{source} returned {type(model).__name__}, not a Keras model")
    return model


def made_by(source: str) -> Any:
    """What a function of the user's returns.

    Args:
        source: "path/to/file.py:name" or "package.module:name"; it is called without arguments.

    Raises:
        ModelError: it raised.
        NotFoundError: there is no such file, module or function.
    """
    place, _, name = source.rpartition(":")
    module = _module_from_file(Path(place)) if place.endswith(".py") else _module(place)
    function = getattr(module, name, None)
    if not callable(function):
        raise NotFoundError(f"{place} has no function {name!r}")
    with users_code(source):
        return function()


def _from_file(path: Path) -> Any:
    if path.suffix != ".keras":
        raise ConfigError(f"{str(path)!r} is not understood; give {HELP}", field="MODEL")
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is no Keras file, or a damaged one: save the model again with model.save")
    import keras

    try:
        return keras.saving.load_model(path)
    except _UNREADABLE as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ModelError(
            f"{path} is no Keras model that can be loaded: {what}; "
            "a model with classes of its own is given as path/to/file.py:function"
        ) from error


def _module(name: str) -> ModuleType:
    # As `python -m` does: modules of the folder that the user stands in.
    if "" not in sys.path:
        sys.path.insert(0, "")
    with users_code(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            raise NotFoundError(f"there is no module {name}") from error


def _module_from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise NotFoundError(f"{path} cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    # The file may import its neighbours, and Keras looks classes up by their module.
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with users_code(str(path)):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


@contextmanager
def users_code(source: str) -> Iterator[None]:
    """What the user's own code raises is told in one line, with the way to its stack trace."""
    try:
        yield
    except FieldfareError:
        raise
    except Exception as error:  # the user's own code may raise anything; it is told in one line
        what = str(error).partition("\n")[0]
        raise ModelError(
            f"{source} raised {type(error).__name__}: {what}; FIELDFARE_TRACEBACK=1 in the environment shows where"
        ) from error
