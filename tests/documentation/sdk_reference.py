"""docs/sdk_reference.md, made from docstrings. `make reference` writes it; a test fails where it is old."""

import ast
import enum
import inspect
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.documentation.docstrings import (
    Function,
    as_markdown,
    class_source,
    constants,
    decorators,
    function_source,
    made_with,
    signature,
)

PAGE = Path(__file__).parents[2] / "docs" / "sdk_reference.md"
FACE = "fieldfare.sdk"
_PRIVATE = {"commands", "controls", "py.typed"}
"""The commands have their own help; the control variates are read by nobody but the device."""
GIVEN_BACK = {
    "fieldfare.core.sessions": ("Participation", "Ended", "Assignment", "RetrySettings"),
    "fieldfare.core.metrics": ("MetricSum",),
    "fieldfare.core.plans": ("Manifest", "PlanTensor", "PlanMetric", "Examples", "read_manifest"),
    "fieldfare.core.tasks": ("LocalTrainingSpec",),
}
"""What an app meets of other rooms."""
_INTRO = """\
# The SDK, name by name

Made by `make reference` from the docstrings: do not edit by hand. [sdk.md](sdk.md) is the guide; this page is what to
look a name up in. Shapes are without the batch axis unless `n` stands in front; times are `timedelta`, points in time
are timezone-aware; sizes have their unit in the name.
"""
_FACE_INTRO = "`from fieldfare.sdk import ...`: what an app needs."
_REST_INTRO = "What lies behind, for apps that replace a part or look into a device's folder."
_BACK_INTRO = "What calls give back, and what they are given, from other rooms."
_ERRORS_INTRO = (
    "`from fieldfare.core.errors import ...`: every error that is raised on purpose is one of these. A message says "
    "what is wrong and what to do; it never holds a value of an example."
)


def page() -> str:
    """The page as Markdown."""
    face = import_module(FACE)
    shown = set(face.__all__)
    parts = [_INTRO, _contents(), f"## {FACE}\n\n{_FACE_INTRO}", *_names(face, sorted(face.__all__))]
    parts.append(f"## Packages of {FACE}\n\n{_REST_INTRO}")
    for name in packages():
        module = import_module(f"{FACE}.{name}")
        further = [one for one in module.__all__ if one not in shown]
        if further:
            parts += [
                f"### {module.__name__}\n\n{as_markdown(module.__doc__ or '')}",
                *_names(module, further, depth=4),
            ]
    parts.append(f"## Of other rooms\n\n{_BACK_INTRO}")
    for name, wanted in GIVEN_BACK.items():
        parts += [f"### {name}", *_names(import_module(name), wanted, depth=4)]
    parts.append(f"## Errors\n\n{_ERRORS_INTRO}\n\n{_errors()}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def packages() -> list[str]:
    """Public modules and packages of `fieldfare.sdk`."""
    folder = Path(import_module(FACE).__file__ or "").parent
    found = {path.name.removesuffix(".py") for path in folder.iterdir() if not path.name.startswith(("_", "."))}
    return sorted(found - _PRIVATE)


def _contents() -> str:
    names = sorted(import_module(FACE).__all__)
    return ", ".join(f"[{name}](#{name.lower()})" for name in names) + ", [errors](#errors)"


def _names(module: ModuleType, names: list[str] | tuple[str, ...], depth: int = 3) -> Iterator[str]:
    for name in names:
        yield f"{'#' * depth} {name}"
        yield from _told(name, getattr(module, name), module)


def _told(name: str, one: Any, module: ModuleType) -> Iterator[str]:
    if inspect.isclass(one) and not isinstance(one, type(list[int])):
        yield from _class(one)
    elif inspect.isfunction(one):
        yield _code(signature(function_source(one)))
        yield as_markdown(one.__doc__ or "")
    else:
        value, told = _constant(name, module)
        yield f"`{name} = {value}`"
        yield as_markdown(told)


def _class(one: type) -> Iterator[str]:
    source = class_source(one)
    methods = [child for child in source.body if isinstance(child, Function)]
    made = next((child for child in methods if child.name == "__init__"), None)
    if issubclass(one, enum.Enum):
        yield "One of " + ", ".join(f"`{member.name}`" for member in one) + "."
    elif made is not None:
        yield _code(signature(made, name=one.__name__))
    elif is_dataclass(one):
        yield _code(made_with(source))
    yield as_markdown(one.__doc__ or "")
    for method in methods + [child for base in _bases(one) for child in class_source(base).body]:
        if isinstance(method, Function) and not method.name.startswith("_"):
            yield _method(method, one.__name__)


def _bases(one: type) -> list[type]:
    """Those of a public class that are not public: they only hold some of its methods."""
    ours = [base for base in one.__mro__[1:] if base.__module__.startswith(f"{FACE}.")]
    return [base for base in ours if base.__name__ not in import_module(base.__module__.rpartition(".")[0]).__all__]


def _method(method: Function, owner: str) -> str:
    marks = decorators(method)
    told = as_markdown(ast.get_docstring(method) or "")
    if "property" in marks:
        returns = "" if method.returns is None else f": {ast.unparse(method.returns)}"
        return f"`.{method.name}{returns}` (property)\n\n{told}"
    if any(mark.endswith(".setter") for mark in marks):
        return f"`.{method.name} = ...`\n\n{told}"
    prefix = f"{owner}." if marks & {"classmethod", "staticmethod"} else "."
    return f"{_code(signature(method, name=prefix + method.name))}\n\n{told}"


def _code(text: str) -> str:
    return f"```text\n{text}\n```" if "\n" in text else f"`{text}`"


def _constant(name: str, module: ModuleType) -> tuple[str, str]:
    """Of a name that is neither class nor function: its source and what is told of it, wherever that stands."""
    file = Path(module.__file__ or "")
    for path in sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]:
        found = constants(ast.parse(path.read_text(encoding="utf-8"))).get(name)
        if found is not None:
            return found
    raise LookupError(f"{module.__name__}.{name} is neither a class nor a function, nor assigned there")


def _errors() -> str:
    errors = import_module("fieldfare.core.errors")
    rows = []
    for name in sorted(errors.__all__, key=lambda one: (one != "FieldfareError", one)):
        one = getattr(errors, name)
        told = " ".join(inspect.cleandoc(one.__doc__ or "").split())
        rows.append(f"| `{name}` | `{one.__bases__[0].__name__}` | {told.replace('|', chr(92) + '|')} |")
    return "\n".join(["| error | is a | when |", "|---|---|---|", *rows])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
