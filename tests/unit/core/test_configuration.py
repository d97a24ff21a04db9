"""Settings classes: sections within sections, values on top of others, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from fieldfare.core.configuration import (
    FLAT,
    build_settings,
    documentation,
    from_toml,
    keys_of,
    parse_assignment,
    parse_toml,
    print_settings,
    with_values,
)
from fieldfare.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Radio:
    """A radio.

    Attributes:
        kind: what it is.
        cap_bytes: how much it sends
            in a day.

    Raises:
        ConfigError: never.
    """

    kind: Literal["wifi", "lte"] = "wifi"
    cap_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    wait: timedelta = timedelta(seconds=2)
    radio: Radio = field(default_factory=Radio)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone.

    Attributes:
        name: what it is called.
        radio: how it talks.
    """

    name: str = "one"
    files: tuple[Path, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    beside: Beside = field(default_factory=Beside, metadata={FLAT: True})


def test_fields_of_a_flat_class_stand_beside_the_others() -> None:
    assert [key.name for key in keys_of(Phone)] == ["name", "files", "numbers", "wait", "radio.kind", "radio.cap_bytes"]
    found = build_settings(Phone, {"wait": "1min", "radio": {"kind": "lte", "cap_bytes": "2MiB"}, "files": ["a", "b"]})
    radio = Radio("lte", 2**21)
    assert found == Phone(files=(Path("a"), Path("b")), beside=Beside(timedelta(minutes=1), radio))
    assert {key.name: key.value_in(found) for key in keys_of(Phone)}["radio.cap_bytes"] == 2**21


@pytest.mark.parametrize(
    ("tree", "name", "words"),
    [
        ({"nam": "x"}, "nam", "did you mean 'name'"),
        ({"zzz": 1}, "zzz", "known are files, name, numbers, radio, wait"),
        ({"radio": 3}, "radio", "must be a table"),
        ({"radio": {"knid": 1}}, "radio.knid", "did you mean 'kind'"),
        ({"radio": {"kind": "fm"}}, "radio.kind", "one of wifi, lte"),
        ({"numbers": [1]}, "numbers", "must be a table"),
        ({"numbers": {"home": "x"}}, "numbers.home", "must be a whole number"),
        ({"wait": 3}, "wait", "duration with its unit"),
    ],
)
def test_what_is_not_known_is_refused(tree: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        build_settings(Phone, tree)
    assert caught.value.field == name


def test_a_mapping_has_keys_of_the_users_own() -> None:
    numbers = {"home": 1, 'a "b" c': 2}
    found = build_settings(Phone, {"numbers": numbers})
    assert found.numbers == numbers
    printed = print_settings(found, "# A phone.", Phone)
    assert build_settings(Phone, parse_toml(printed.encode(), "printed", "file")) == found
    assert "#numbers = {}" in print_settings(Phone(), "# A phone.", Phone)


def test_values_go_on_top_and_what_was_there_is_not_changed() -> None:
    tree = {"radio": {"kind": "lte"}}
    values = {"radio.cap_bytes": 5, "name": "two", "wait": None, "a.b.c": 1}
    assert with_values(tree, values) == {"radio": {"kind": "lte", "cap_bytes": 5}, "name": "two", "a": {"b": {"c": 1}}}
    assert tree == {"radio": {"kind": "lte"}}
    with pytest.raises(ConfigError, match="must be a table, got 'lte'"):
        with_values(tree, {"radio.kind.of": 1})


def test_assignments() -> None:
    given = {text: parse_assignment(text, "--set", "name=x")[1] for text in ("a=3", "a=30s", "a=[1, 2]", "a.b=true")}
    assert given == {"a=3": 3, "a=30s": "30s", "a=[1, 2]": [1, 2], "a.b=true": True}
    for bad in ("a", "=3", "a..b=3"):
        with pytest.raises(ConfigError, match="such as name=x, got") as caught:
            parse_assignment(bad, "--set", "name=x")
        assert caught.value.field == "--set"


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe"])
def test_what_is_no_toml(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"x\.toml is not TOML"):
        parse_toml(content, "x.toml", "--config")


def test_what_is_printed_is_read_back() -> None:
    phone = Phone("two", (Path("a"),), beside=Beside(radio=Radio(cap_bytes=2**20)))
    text = print_settings(phone, "# A phone.", Phone)
    assert build_settings(Phone, parse_toml(text.encode(), "text", "")) == phone
    for line in ("# What it is called.", 'name = "two"', "# How it talks.", "[radio]", '#kind = "wifi"',
                 "# How much it sends in a day.", 'cap_bytes = "1MiB"', '#wait = "2s"'):  # fmt: skip
        assert line in text.splitlines()
    assert '#cap_bytes = "TEXT"' in print_settings(Phone(), "", Phone)
    assert build_settings(Phone, parse_toml(print_settings(Phone(), "", Phone).encode(), "text", "")) == Phone()


@dataclass(frozen=True, slots=True)
class Mast:
    """Where radios hang."""

    radio: Radio = field(default_factory=Radio)


@dataclass(frozen=True, slots=True)
class Site:
    mast: Mast = field(default_factory=Mast)


def test_a_section_inside_of_a_section_is_told_by_its_own_class() -> None:
    lines = print_settings(Site(Mast(Radio(cap_bytes=5))), "", Site).splitlines()
    assert lines[lines.index("[mast.radio]") - 1] == "# A radio."
    assert build_settings(Site, parse_toml("\n".join(lines).encode(), "text", "")).mast.radio.cap_bytes == 5


def test_documentation_ends_with_the_attributes() -> None:
    assert documentation(Radio) == {"kind": "what it is.", "cap_bytes": "how much it sends in a day."}
    assert documentation(Beside) == {}


def test_flags_are_true_or_false_and_moments_may_be_less_than_a_millisecond() -> None:
    assert from_toml(True, bool, nbytes=False, name="on") is True
    with pytest.raises(ConfigError, match="must be true or false, got 1"):
        from_toml(1, bool, nbytes=False, name="on")
    text = print_settings(Phone(beside=Beside(timedelta(microseconds=1500))), "", Phone)
    assert 'wait = "1.5ms"' in text.splitlines()
