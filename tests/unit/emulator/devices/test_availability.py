"""When devices are available: by a window of the day, and while conditions hold."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldfare.emulator.devices import draw_behaviour
from fieldfare.emulator.devices._availability import make_availability
from fieldfare.emulator.devices._cycles import make_cycles
from fieldfare.emulator.devices._states import METERED, NO_NETWORK, UNMETERED, States, when_held
from fieldfare.emulator.scenario import ConditionSettings, FleetSettings

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
NIGHT = FleetSettings(available_from=23.0, available_for=timedelta(hours=6), available_spread=timedelta(hours=1))


def at(hour: float) -> datetime:
    return datetime(2024, 3, 5, tzinfo=UTC) + timedelta(hours=hour)


def test_devices_are_available_by_night() -> None:
    available = draw_behaviour(NIGHT, 2000, seed=1).availability
    shares = [float(available.at(at(hour)).mean()) for hour in (12, 20, 23, 26, 29, 33)]
    assert shares == pytest.approx([0, 0, 0.5, 1, 0.5, 0], abs=0.05)
    for device in np.flatnonzero(available.at(at(24)))[:50]:
        left = available.left(int(device), at(24))
        assert timedelta(0) < left <= timedelta(hours=6)
        assert available.at(at(24) + left - timedelta(seconds=1))[device]
        assert not available.at(at(24) + left + timedelta(seconds=1))[device]


def test_a_few_may_be_looked_at() -> None:
    available = draw_behaviour(NIGHT, 500, seed=1).availability
    few = np.array([499, 3, 77])
    assert np.array_equal(available.at(at(23), few), available.at(at(23))[few])


def test_clocks_ahead_of_utc_come_earlier() -> None:
    here = draw_behaviour(NIGHT, 500, seed=1).availability
    east = draw_behaviour(replace(NIGHT, utc_offset_h=5.5), 500, seed=1).availability
    assert 0.2 < here.at(at(23)).mean() < 0.8
    assert np.array_equal(here.at(at(23)), east.at(at(17.5)))


def test_the_next_to_come_is_looked_for_among_those_who_may() -> None:
    available = draw_behaviour(NIGHT, 500, seed=1).availability
    assert not available.at(at(12)).any()
    first, everybody = available.next_begin(at(12), np.ones(500, np.bool_)), np.arange(500)
    assert first is not None
    assert available.at(first).sum() == 1
    others = np.ones(500, np.bool_)
    others[everybody[available.at(first)]] = False
    later = available.next_begin(at(12), others)
    assert later is not None
    assert later > first
    assert available.next_begin(at(12), np.zeros(500, np.bool_)) is None


def test_a_day_is_always() -> None:
    always = draw_behaviour(FleetSettings(), 10, seed=1).availability
    assert always.at(at(3)).all()
    assert always.left(3, at(3)) == timedelta.max


PERIOD = 100
MICROSECOND = timedelta(microseconds=1)
MINUTES = (0, 10, 30, 60, 90)
STATES = States(
    make_cycles([PERIOD * 60.0, 600.0], [np.array(MINUTES) * 60.0, np.array([0.0])]),
    charging=np.array([True, True, False, True, True, True]),
    network=np.array([UNMETERED, METERED, UNMETERED, NO_NETWORK, UNMETERED, UNMETERED], np.uint8),
    idle=np.array([True, True, False, True, True, True]),
)


def held(conditions: ConditionSettings) -> list[int]:
    """Minutes of the first pattern at whose middle the conditions hold."""
    cycles, holds = when_held(STATES, conditions)
    available = make_availability(cycles, holds, np.array([0, 1], np.int32), np.zeros(2))
    moments = [MONDAY + timedelta(minutes=minute, seconds=30) for minute in range(PERIOD)]
    assert all(available.at(moment)[1] for moment in moments)
    found = [minute for minute, moment in enumerate(moments) if available.at(moment)[0]]
    for minute in set(range(PERIOD)) - set(found):
        begin = available.next_begin(moments[minute], np.array([True, True]))
        soonest = min(((one - minute) % PERIOD for one in found), default=None)
        if soonest is None:
            assert begin is None
        else:
            assert begin is not None
            assert timedelta(0) <= begin - (moments[minute] + timedelta(minutes=soonest, seconds=-30)) <= MICROSECOND
            assert available.at(begin)[0]
    for minute in found:
        # What is left is what is seen from here on, over the pattern's end too.
        following = ((minute + step) % PERIOD in found for step in range(1, 2 * PERIOD))
        on = sum(1 for _ in itertools.takewhile(bool, following))
        assert available.left(0, moments[minute]) == timedelta(minutes=on, seconds=30)
    return found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (ConditionSettings(), [*range(60), *range(90, 100)]),
        (ConditionSettings(on_power=True), [*range(30), *range(90, 100)]),
        (ConditionSettings(unmetered=True), [*range(10), *range(30, 60), *range(90, 100)]),
        (ConditionSettings(on_power=True, unmetered=True), [*range(10), *range(90, 100)]),
        # Idle from minute 60 over the end to minute 30: for 45 minutes from the fifth minute on.
        (ConditionSettings(min_user_idle=timedelta(minutes=45)), list(range(5, 30))),
        (ConditionSettings(min_user_idle=timedelta(minutes=35)), [*range(30), *range(95, 100)]),
        (ConditionSettings(min_user_idle=timedelta(minutes=70)), []),
    ],
)
def test_each_condition_is_asked_for_by_itself(conditions: ConditionSettings, expected: list[int]) -> None:
    assert held(conditions) == expected


def test_who_is_never_idle_or_always() -> None:
    def hours(idle: NDArray[np.bool_]) -> float:
        states = States(make_cycles([60.0], [np.array([0.0, 20.0])]), idle, np.array([2, 2], np.uint8), idle)
        cycles, holds = when_held(states, ConditionSettings(min_user_idle=timedelta(hours=1)))
        return float(holds[cycles.find(np.zeros(60, np.int32), np.arange(60.0))[0]].mean())

    assert hours(np.array([False, False])) == 0
    assert hours(np.array([True, True])) == 1
    assert hours(np.array([True, False])) == 0
