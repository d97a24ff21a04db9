"""The profile "phones": what is drawn agrees with the numbers it is drawn from."""

from datetime import timedelta

import numpy as np
import pytest

from fieldfare.emulator.devices import availability_by_hour, draw_behaviour
from fieldfare.emulator.devices.profiles import (
    CELLULAR_NETWORKS,
    PHONE_DAYS,
    PHONE_MODELS,
    STEP_S,
    draw_bandwidths,
    draw_conditions,
)
from fieldfare.emulator.scenario import ConditionSettings, FleetSettings

PHONES = FleetSettings(profile="phones")
FLEET = draw_behaviour(PHONES, 20_000, seed=1)


def test_speeds_and_memory_are_those_of_the_list() -> None:
    speeds = FLEET.examples_per_s
    assert np.quantile(speeds, PHONE_MODELS.shares[1:-1]) == pytest.approx(
        200 * np.array(PHONE_MODELS.speeds[1:-1]), rel=0.06
    )
    assert 200 * PHONE_MODELS.speeds[0] <= speeds.min() < speeds.max() <= 200 * PHONE_MODELS.speeds[-1] * 1.001
    gib = FLEET.memory_bytes / 2**30
    assert set(gib) <= set(PHONE_MODELS.memory_gib)
    shares = np.mean(PHONE_MODELS.memory_shares, axis=0)
    assert [float(np.mean(gib == one)) for one in PHONE_MODELS.memory_gib] == pytest.approx(shares, abs=0.015)
    # Fast phones have more, and take more watts than slow ones.
    fast = speeds > np.quantile(speeds, 0.9)
    assert gib[fast].mean() > gib[~fast].mean() + 1
    assert FLEET.energy.training_w[fast].mean() == pytest.approx(5.5)
    assert FLEET.energy.training_w[speeds < np.quantile(speeds, 0.1)].mean() == pytest.approx(3.6)


@pytest.mark.parametrize(
    ("conditions", "which"), [(ConditionSettings(on_power=True), 0), (ConditionSettings(unmetered=True), 1)]
)
def test_shares_by_hour_are_the_models(conditions: ConditionSettings, which: int) -> None:
    fleet = draw_behaviour(FleetSettings(profile="phones", conditions=conditions), 3000, seed=2)
    by_hour = availability_by_hour(fleet.availability)
    assert by_hour.shape == (7, 24)
    # Half an hour either way is drawn into an hour.
    shares = np.array(PHONE_DAYS.shares[which])
    smooth = 0.75 * shares + 0.125 * (np.roll(shares, 1) + np.roll(shares, -1))
    assert by_hour.mean(axis=0) == pytest.approx(smooth, abs=0.05)


def test_asking_for_more_leaves_fewer() -> None:
    asked = [
        ConditionSettings(),
        ConditionSettings(on_power=True),
        ConditionSettings(on_power=True, unmetered=True),
        ConditionSettings(on_power=True, unmetered=True, min_user_idle=timedelta(minutes=5)),
        ConditionSettings(on_power=True, unmetered=True, min_user_idle=timedelta(hours=2)),
    ]
    fleets = [draw_behaviour(FleetSettings(profile="phones", conditions=one), 500, seed=2) for one in asked]
    shares = [float(availability_by_hour(one.availability).mean()) for one in fleets]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert 0.01 < shares[-1] < shares[-2] < 0.5


def test_people_differ_and_windows_last() -> None:
    holds = draw_conditions(PHONE_DAYS, 300, np.random.default_rng(1))
    # Shares of persons spread as a normal distribution with the given part of the variance would have them.
    assert 0.05 < holds[0].mean(axis=1).std() < 0.2
    begun = (~holds[:, :, :-1] & holds[:, :, 1:]).mean(axis=(1, 2)) * 86_400 / STEP_S
    assert begun[0] < begun[1] < begun[2]


def test_cellular_networks_have_the_levels_and_pauses_of_the_traces() -> None:
    drawn = draw_bandwidths(CELLULAR_NETWORKS, 400, np.random.default_rng(1))
    for direction, model in ((drawn.down, CELLULAR_NETWORKS.down), (drawn.up, CELLULAR_NETWORKS.up)):
        mbit_s = 8e-6 * direction.bytes_s.reshape(400, -1)
        levels = np.log(mbit_s.mean(axis=1))
        assert float(np.exp(np.median(levels))) == pytest.approx(model.median_mbit_s, rel=0.2)
        assert float(levels.std()) == pytest.approx(model.spread, abs=0.1)
        assert float((mbit_s == 0).mean()) == pytest.approx(model.outages, abs=0.005)
        assert direction.total == pytest.approx(direction.bytes_s.reshape(400, -1).sum(axis=1))
    levels = np.log([drawn.down.total, drawn.up.total])
    assert float(np.corrcoef(levels)[0, 1]) == pytest.approx(CELLULAR_NETWORKS.correlation, abs=0.06)


def test_the_same_seed_is_the_same_fleet() -> None:
    again = draw_behaviour(PHONES, 20_000, seed=1)
    assert np.array_equal(again.availability.until_s, FLEET.availability.until_s)
    assert np.array_equal(again.availability.shift_s, FLEET.availability.shift_s)
    assert np.array_equal(again.memory_bytes, FLEET.memory_bytes)
    other = draw_behaviour(PHONES, 20_000, seed=2)
    assert not np.array_equal(other.examples_per_s, FLEET.examples_per_s)
