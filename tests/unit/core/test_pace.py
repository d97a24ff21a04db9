from datetime import timedelta

import pytest

from fieldfare.core.rounds import PaceSettings, come_back_after, go_on_after

S = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("devices", "uniform", "expected"),
    [
        (0, 0.0, 1 * S),
        (0, 0.5, 2 * S),
        (200, 0.5, 2 * S),
        (1_000, 0.0, 5 * S),
        (1_000, 0.5, 10 * S),
        (1_000, 0.75, 12.5 * S),
        (10**9, 0.5, timedelta(hours=1)),
        (10**9, 0.75, timedelta(hours=1.25)),
    ],
)
def test_devices_share_the_calls_that_the_aggregator_wants_to_see(devices, uniform, expected):
    assert come_back_after(PaceSettings(), devices=devices, uniform=uniform) == expected


def test_settings_are_used():
    settings = PaceSettings(shortest=3 * S, longest=7 * S, check_ins_per_s=10.0)
    assert come_back_after(settings, devices=50, uniform=0.5) == 5 * S
    assert come_back_after(settings, devices=10, uniform=0.5) == 3 * S
    assert come_back_after(settings, devices=100, uniform=0.5) == 7 * S


@pytest.mark.parametrize(
    ("devices", "uniform", "expected"),
    [(0, 0.9, 0 * S), (10, 0.5, 0.0005 * S), (100, 0.5, 0.005 * S), (101, 0.0, 1 * S), (1_000, 0.5, 10 * S)],
)
def test_a_fleet_that_may_wait_in_the_call_goes_on_at_once(devices, uniform, expected):
    assert go_on_after(PaceSettings(), devices=devices, room=100, uniform=uniform) == expected


def test_whoever_is_there_has_called_within_the_window():
    assert PaceSettings().window == timedelta(hours=1.5)
    assert PaceSettings(longest=S).window == timedelta(minutes=10)
