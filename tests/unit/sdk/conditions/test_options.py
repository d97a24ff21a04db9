"""The options of `fieldfare device run` that become `Conditions`."""

import argparse
from datetime import time, timedelta

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.sdk.commands._conditions import add_conditions, conditions_of
from fieldfare.sdk.conditions import Conditions, TimeWindow


def parsed(*words: str) -> Conditions:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_conditions(parser)
    return conditions_of(parser.parse_args(words))


def test_without_options_nothing_is_asked_for() -> None:
    assert parsed() == Conditions()


def test_every_condition_has_an_option() -> None:
    words = "--on-power --min-battery 30 --unmetered --max-load 40 --user-idle 90 --hours 22:00-06:00"
    assert parsed(*words.split(), "--max-temperature", "65.5", "--min-memory", "0.5") == Conditions(
        on_power=True,
        min_battery_percent=30,
        unmetered=True,
        max_cpu_load=0.4,
        min_user_idle=timedelta(seconds=90),
        hours=TimeWindow(time(22), time(6)),
        max_temperature_celsius=65.5,
        min_free_memory_bytes=500_000,
    )


@pytest.mark.parametrize("words", ["--user-idle inf", "--min-memory nan", "--max-temperature x", "--user-idle 1e300"])
def test_what_is_no_number(words: str) -> None:
    with pytest.raises(argparse.ArgumentError):
        parsed(*words.split())


@pytest.mark.parametrize("words", ["--max-load 0", "--min-battery 101", "--hours 9-5pm", "--user-idle -1"])
def test_what_is_out_of_bounds(words: str) -> None:
    with pytest.raises(ConfigError):
        parsed(*words.split())
