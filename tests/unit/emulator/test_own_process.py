"""Work in a process of its own: what comes back, what is raised, and what is told of a process that is gone."""

import os

import pytest

from fieldfare.core.errors import ConfigError, ModelError
from fieldfare.emulator.own_process import in_own_process

GONE = ModelError("the process has ended")


def multiply(one: int, *, by: int) -> tuple[int, int]:
    return one * by, os.getpid()


def refuse(field: str) -> None:
    raise ConfigError("cannot be", field=field)


def vanish() -> None:
    os._exit(3)


def test_a_result_comes_from_another_process() -> None:
    product, pid = in_own_process(multiply, GONE, 6, by=7)
    assert product == 42
    assert pid != os.getpid()


def test_an_error_comes_back_as_it_was_raised() -> None:
    with pytest.raises(ConfigError, match=r"^data\.source: cannot be$") as caught:
        in_own_process(refuse, GONE, "data.source")
    assert caught.value.field == "data.source"


def test_a_process_that_ends_is_told_of() -> None:
    with pytest.raises(ModelError, match="the process has ended"):
        in_own_process(vanish, GONE)
