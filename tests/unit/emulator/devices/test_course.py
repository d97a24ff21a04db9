"""What a device's part in a round takes, in time, bytes and joules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fieldfare.emulator.devices import Load, draw_behaviour
from fieldfare.emulator.scenario import EnergySettings, FleetSettings

NOW = datetime(2024, 1, 1, tzinfo=UTC)
EQUAL = FleetSettings(
    examples_per_s=50,
    download_mbit_s=8,
    upload_mbit_s=2,
    spread=0.0,
    energy=EnergySettings(
        training_w=4.0,
        unmetered_on_w=1.0,
        unmetered_download_j_per_mb=2.0,
        unmetered_upload_j_per_mb=3.0,
        unmetered_tail_j=0.5,
        metered_on_w=10.0,
        metered_download_j_per_mb=20.0,
        metered_upload_j_per_mb=30.0,
        metered_tail_j=5.0,
    ),
)
LOAD = Load(bytes_down=10**6, examples=75, training=True, bytes_up=10**6)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_a_device_takes_as_long_as_its_speed_and_its_network_say() -> None:
    course = draw_behaviour(EQUAL, 3, seed=1).course(2, NOW, LOAD)
    assert (course.download, course.work, course.upload) == (seconds(1.05), seconds(1.5), seconds(4.05))
    assert course.takes == seconds(6.6)
    evaluation = draw_behaviour(EQUAL, 3, seed=1).course(2, NOW, replace(LOAD, training=False))
    assert evaluation.work == seconds(0.5)


def test_devices_differ_around_the_median_and_are_the_same_again() -> None:
    behaviour, again = (draw_behaviour(FleetSettings(spread=0.5), 10_000, seed=1) for _ in range(2))
    networks = behaviour.networks
    assert float(np.median(behaviour.examples_per_s)) == pytest.approx(200, rel=0.03)
    # One sigma of a normal distribution: a sixth lies below.
    assert float((networks.upload_bytes_s < 625_000 * np.exp(-0.5)).mean()) == pytest.approx(0.159, abs=0.015)
    assert np.array_equal(networks.download_bytes_s, again.networks.download_bytes_s)
    assert abs(np.corrcoef(networks.download_bytes_s, behaviour.examples_per_s)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("took", "parts", "joules"),
    [
        # 1.05 s at 1 W, 2 J for the megabyte, 0.5 J of tail; 1.5 s at 4 W; 4.05 s at 1 W, 3 J, 0.5 J.
        (6.6, (1.05, 1.5, 4.05), 3.55 + 6.0 + 7.55),
        (4.575, (1.05, 1.5, 2.025), 3.55 + 6.0 + 4.025),
        (2.0, (1.05, 0.95, 0.0), 3.55 + 3.8),
        (0.525, (0.525, 0.0, 0.0), 2.025),
        (0.0, (0.0, 0.0, 0.0), 0.0),
    ],
)
def test_what_a_part_that_is_cut_short_has_spent(took: float, parts: tuple[float, ...], joules: float) -> None:
    behaviour = draw_behaviour(EQUAL, 3, seed=1)
    spent = behaviour.spent(1, behaviour.course(1, NOW, LOAD), seconds(took))
    assert tuple(one.total_seconds() for one in (spent.download, spent.work, spent.upload)) == parts
    assert spent.energy_j == pytest.approx(joules)


def test_a_metered_network_takes_its_own_energy() -> None:
    behaviour = draw_behaviour(replace(EQUAL, network="metered"), 3, seed=1)
    course = behaviour.course(0, NOW, LOAD)
    assert behaviour.spent(0, course, course.takes).energy_j == pytest.approx((10.5 + 20 + 5) + 6 + (40.5 + 30 + 5))
