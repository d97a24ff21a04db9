"""Traces of one's own: what they mean, and what is wrong with those that cannot be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import DataError
from fieldfare.emulator.devices import Behaviour, Load, draw_behaviour
from fieldfare.emulator.scenario import ConditionSettings, EnergySettings, FleetSettings, TraceSettings

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
STATES = """device,start,end,charging,network,idle
a,2023-05-03T06:00:00,2023-05-03T22:00:00,0,metered,0
a,2023-05-03T22:00:00,2023-05-04T06:00:00,1,unmetered,1
b,2023-05-01T00:00:00,2023-05-02T00:00:00,1,none,1
b,2023-05-02T00:00:00,2023-05-03T00:00:00,1,unmetered,0
"""
NETWORKS = """trace,start_s,end_s,down_mbit_s,up_mbit_s,network
train,0,10,8,4,metered
train,10,20,0,0,metered
train,20,30,16,4,metered
home,0,60,80,40,unmetered
"""
SPEEDS = """device,examples_per_s
old,5
new,500
newest,1e3
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def at(day: int, hour: float) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour)


def states(path: Path, devices: int, **asked: object) -> Behaviour:
    settings = FleetSettings(traces=TraceSettings(states=path), conditions=ConditionSettings(**asked))  # type: ignore[arg-type]
    return draw_behaviour(settings, devices, seed=1)


def test_states_are_followed_by_the_hour_and_day_and_repeated(tmp_path: Path) -> None:
    fleet = states(write(tmp_path, STATES), 2, on_power=True)
    by_night = [device for device in (0, 1) if fleet.availability.at(at(0, 23))[device]]
    assert len(by_night) == 1, "one device follows a, the other b, which has no network on its first of two days"
    a, b = by_night[0], 1 - by_night[0]
    for week in (0, 7, 70):
        assert [bool(fleet.availability.at(at(week, hour))[a]) for hour in (5, 7, 21, 23)] == [True, False, False, True]
    assert fleet.availability.left(a, at(3, 23)) == timedelta(hours=7)
    # Two days are no week: after a week, what was on a Monday is on a Tuesday.
    assert [bool(fleet.availability.at(at(day, 12))[b]) for day in (0, 1, 2, 3, 7, 8)] == [
        *(False, True, False, True),
        *(True, False),
    ]


def test_states_tell_which_network_a_transfer_takes(tmp_path: Path) -> None:
    fleet = states(write(tmp_path, STATES.partition("b,")[0]), 1)
    metered, free = (fleet.course(0, at(0, hour), Load(10**6, 0, True, 0)) for hour in (12, 23))
    energy = EnergySettings()
    assert metered.networks != free.networks
    took = metered.takes - metered.takes
    assert fleet.spent(0, metered, took).energy_j == 0
    cost = fleet.spent(0, metered, metered.takes).energy_j - fleet.spent(0, free, free.takes).energy_j
    assert cost > 2 * energy.metered_tail_j - 1


def test_devices_that_share_a_trace_are_shifted(tmp_path: Path) -> None:
    fleet = states(write(tmp_path, STATES.partition("b,")[0]), 1000, on_power=True)
    shares = [float(fleet.availability.at(at(0, hour)).mean()) for hour in (12, 22, 26, 30)]
    assert shares == pytest.approx([0, 0.5, 1, 0.5], abs=0.06)


def test_a_transfer_over_a_trace_waits_out_its_pauses(tmp_path: Path) -> None:
    settings = FleetSettings(
        network="metered", latency=timedelta(0), traces=TraceSettings(networks=write(tmp_path, NETWORKS))
    )
    fleet = draw_behaviour(settings, 50, seed=1)
    # 30 MB in 30 s, whenever they begin; who begins in the pause has waited for its rest when the next one begins.
    whole = [fleet.course(device, at(0, 0), Load(30 * 10**6, 0, True, 0)).download for device in range(50)]
    assert timedelta(seconds=20) < min(whole) < max(whole) == timedelta(seconds=30)
    alone = {fleet.course(device, at(0, 0), Load(10**6, 0, True, 0)).download for device in range(50)}
    assert min(alone) == timedelta(seconds=0.5)
    assert timedelta(seconds=9) < max(alone) <= timedelta(seconds=11)


def test_unmetered_traces_are_for_unmetered_networks(tmp_path: Path) -> None:
    settings = FleetSettings(latency=timedelta(0), traces=TraceSettings(networks=write(tmp_path, NETWORKS)))
    fleet = draw_behaviour(settings, 5, seed=1)
    assert {fleet.course(device, at(0, 0), Load(10**7, 0, True, 0)).download for device in range(5)} == {
        timedelta(seconds=1)
    }


def test_speeds_are_dealt_out_evenly(tmp_path: Path) -> None:
    settings = FleetSettings(traces=TraceSettings(speeds=write(tmp_path, SPEEDS)))
    speeds = draw_behaviour(settings, 9, seed=1).examples_per_s
    assert sorted(speeds) == [5, 5, 5, 500, 500, 500, 1000, 1000, 1000]
    assert list(speeds) != sorted(speeds)
    assert not np.array_equal(speeds, draw_behaviour(settings, 9, seed=2).examples_per_s)


def test_a_few_devices_follow_any_of_many_traces(tmp_path: Path) -> None:
    rows = "\n".join(f"d{number},{number + 1}" for number in range(100))
    settings = FleetSettings(traces=TraceSettings(speeds=write(tmp_path, f"device,examples_per_s\n{rows}\n")))
    speeds = draw_behaviour(settings, 10, seed=1).examples_per_s
    assert len(set(speeds)) == 10
    assert max(speeds) > 50


def test_traces_of_several_files_stay_together(tmp_path: Path) -> None:
    (tmp_path / "speeds.csv").write_text("device,examples_per_s\na,1\nb,2\n")
    traces = TraceSettings(states=write(tmp_path, STATES), speeds=tmp_path / "speeds.csv")
    fleet = draw_behaviour(FleetSettings(traces=traces), 20, seed=1)
    assert sorted(fleet.examples_per_s) == [1] * 10 + [2] * 10
    assert np.array_equal(fleet.availability.pattern + 1, fleet.examples_per_s)


def changed(text: str, line: int, old: str, new: str) -> str:
    lines = text.splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(STATES, 3, "2023-05-03T22", "2023-05-03T23"), r"line 3: a gap of 3600 s in the rows of device 'a'"),
        (changed(STATES, 3, "2023-05-03T22", "2023-05-03T21"), r"line 3: begins 3600 s before the row above ends"),
        (changed(STATES, 2, "2023-05-03T22", "2023-05-03T05"), r"line 2: its end is not after its start"),
        (changed(STATES, 5, "2023-05-03T00", "2023-05-03T01"), r"line 5: the rows of device 'b' cover 2.042 days"),
        (changed(STATES, 5, "2023-05-03T00", "2025-05-03T00"), r"line 5: .* at most 366"),
        (changed(STATES, 5, "b,", "a,"), r"line 5: device 'a' stands above already"),
        (changed(STATES, 4, "b,", " ,"), r"line 4: device is empty"),
        (changed(STATES, 4, "none", "wifi"), r"line 4: network must be one of none, metered, unmetered, got 'wifi'"),
        (changed(STATES, 4, "1,none", "yes,none"), r"line 4: charging must be one of 0, 1, got 'yes'"),
        (changed(STATES, 4, "2023-05-01T00:00:00", "May"), r"line 4: start must be a time such as"),
        (changed(STATES, 4, "05-01T00:00:00", "05-01T00:00:00+02:00"), r"line 4: .*without a zone"),
        (changed(STATES, 4, ",1,none", ",none"), r"line 4: has 5 values, and the header 6"),
        (changed(STATES, 1, "idle", "idel"), r"has no column 'idle'"),
        (changed(STATES, 1, "idle", "idle,battery"), r"unknown column 'battery'"),
        (changed(STATES, 1, "idle", "idle,charging"), r"names a column twice"),
        (STATES.splitlines()[0], r"has no rows below its header"),
        ("", r"has no column 'device'"),
        (changed(STATES, 4, "none", '"none'), r"is not a CSV file in UTF-8"),
    ],
)
def test_states_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        states(write(tmp_path, text), 5)
    assert "trace.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(NETWORKS, 2, "train,0", "train,5"), r"line 2: a gap of 5 s in the rows of trace 'train'"),
        (changed(NETWORKS, 4, "train,20", "train,25"), r"line 4: a gap of 5 s"),
        (changed(NETWORKS, 4, "train,20", "train,15"), r"line 4: begins 5 s before the row above ends"),
        (changed(NETWORKS, 3, "10,20", "10,10"), r"line 3: its end is not after its start"),
        (changed(NETWORKS, 2, "8,4", "-8,4"), r"line 2: down_mbit_s must be 0 to 1e\+06, got '-8'"),
        (changed(NETWORKS, 2, "8,4", "nan,4"), r"line 2: down_mbit_s must be 0 to"),
        (changed(NETWORKS, 2, "8,4", "fast,4"), r"line 2: down_mbit_s must be a number, got 'fast'"),
        (changed(NETWORKS, 5, "80,40", "80,0"), r"line 5: up_mbit_s is 0 in every row of trace 'home'"),
        (changed(NETWORKS, 3, "metered", "unmetered"), r"line 2: trace 'train' is of both kinds of network"),
    ],
)
def test_networks_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        draw_behaviour(FleetSettings(traces=TraceSettings(networks=write(tmp_path, text))), 5, seed=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(SPEEDS, 3, "500", "0"), r"line 3: examples_per_s must be above 0"),
        (changed(SPEEDS, 3, "new", "old"), r"line 3: device 'old' stands above already"),
        (changed(SPEEDS, 1, "examples_per_s", "example_per_s"), r"has no column 'examples_per_s'"),
    ],
)
def test_speeds_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        draw_behaviour(FleetSettings(traces=TraceSettings(speeds=write(tmp_path, text))), 5, seed=1)


def test_a_trace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.csv: No such file"):
        states(tmp_path / "none.csv", 5)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a CSV file in UTF-8"):
        states(tmp_path / "binary.csv", 5)
