"""The reference of the SDK: current, whole, and made as docstrings are meant."""

import ast
from importlib import import_module

import pytest

import fieldfare.sdk
from tests.documentation.docstrings import Function, as_markdown, class_source, constants, made_with, signature
from tests.documentation.sdk_reference import FACE, PAGE, packages, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make reference"


@pytest.mark.parametrize("name", fieldfare.sdk.__all__)
def test_every_public_name_has_its_place(name: str) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert lines.count(f"### {name}") == 1
    one = getattr(fieldfare.sdk, name)
    methods = [method.name for method in class_source(one).body if isinstance(method, Function)]
    section = "\n".join(lines[lines.index(f"### {name}") :])
    assert all(f"{method}" in section for method in methods if not method.startswith("_"))


def test_every_public_package_says_what_is_public() -> None:
    assert {"store", "device", "aio", "conditions"} <= set(packages())
    assert all(import_module(f"{FACE}.{name}").__all__ for name in packages())


def test_sections_become_lists() -> None:
    told = as_markdown(
        """Add one.

        Args:
            example: tensor name to a value: an array,
                or numbers.
            key, other: names.

        Returns:
            The example's
            id.

        Raises (each method):
            DataError: wrong names.
            Nothing else.
        """
    )
    assert told == (
        "Add one.\n\nArgs:\n\n- `example`: tensor name to a value: an array, or numbers.\n- `key`, `other`: names.\n\n"
        "Returns:\n\nThe example's id.\n\nRaises (each method):\n\n- `DataError`: wrong names.\n- Nothing else."
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(self): ...", "f()"),
        ("def f(cls, a: int, b: str = 'x') -> None: ...", "f(a: int, b: str = 'x') -> None"),
        ("def f(*, now: Clock = _now, n: int) -> int: ...", "f(*, now: Clock = ..., n: int) -> int"),
        ("async def f(device: Device) -> None: ...", "async f(device: Device) -> None"),
        ("def f(*rest: int, last: bool) -> int: ...", "f(*rest: int, last: bool) -> int"),
        ("def f(" + "a" * 110 + ", b): ...", "f(\n    " + "a" * 110 + ",\n    b,\n)"),
    ],
)
def test_signatures_stand_as_in_the_source(source: str, expected: str) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, Function)
    assert signature(function) == expected


def test_a_data_class_is_made_with_its_fields() -> None:
    source = (
        "class Point:\n    x: int\n    y: int = _ZERO\n    tags: dict = field(default_factory=dict)\n    LIMIT = 3\n"
    )
    (one,) = ast.parse(source).body
    assert isinstance(one, ast.ClassDef)
    assert made_with(one) == "Point(x: int, y: int = ..., tags: dict = ...)"


def test_constants_are_told_in_the_string_after_them() -> None:
    found = constants(ast.parse('A = 3\n"""Of three."""\nB: int = 4\nC = 5\n"""Last."""'))
    assert found == {"A": ("3", "Of three."), "B": ("4", ""), "C": ("5", "Last.")}
