"""What emulated devices are like."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fieldfare.emulator.devices import draw_availability, draw_traits
from fieldfare.emulator.scenario import FleetSettings

NIGHT = FleetSettings(available_from=23.0, available_for=timedelta(hours=6), available_spread=timedelta(hours=1))


def at(hour: float) -> datetime:
    return datetime(2024, 3, 5, tzinfo=UTC) + timedelta(hours=hour)


def test_a_device_takes_as_long_as_its_speed_and_its_network_say() -> None:
    equal = FleetSettings(examples_per_s=50, download_mbit_s=8, upload_mbit_s=2, spread=0.0)
    traits = draw_traits(equal, 3, seed=1)
    assert traits.download(2, 10**6) == timedelta(seconds=1.05)
    assert traits.upload(2, 10**6) == timedelta(seconds=4.05)
    assert traits.compute(2, 75, training=True) == timedelta(seconds=1.5)
    assert traits.compute(2, 75, training=False) == timedelta(seconds=0.5)


def test_devices_differ_around_the_median_and_are_the_same_again() -> None:
    traits, again = (draw_traits(FleetSettings(spread=0.5), 10_000, seed=1) for _ in range(2))
    assert float(np.median(traits.examples_per_s)) == pytest.approx(200, rel=0.03)
    # One sigma of a normal distribution: a sixth lies below.
    assert float((traits.upload_bytes_s < 625_000 * np.exp(-0.5)).mean()) == pytest.approx(0.159, abs=0.015)
    assert np.array_equal(traits.download_bytes_s, again.download_bytes_s)
    assert abs(np.corrcoef(traits.download_bytes_s, traits.examples_per_s)[0, 1]) < 0.05


def test_devices_are_available_by_night() -> None:
    available = draw_availability(NIGHT, 2000, seed=1)
    shares = [float(available.at(at(hour)).mean()) for hour in (12, 20, 23, 26, 29, 33)]
    assert shares == pytest.approx([0, 0, 0.5, 1, 0.5, 0], abs=0.05)
    for device in np.flatnonzero(available.at(at(24)))[:50]:
        left = available.left(int(device), at(24))
        assert timedelta(0) <= left <= timedelta(hours=6)
        assert available.at(at(24) + left - timedelta(seconds=1))[device]
        assert not available.at(at(24) + left + timedelta(seconds=1))[device]


def test_a_day_is_always() -> None:
    always = draw_availability(FleetSettings(), 10, seed=1)
    assert always.at(at(3)).all()
    assert always.left(3, at(3)) == timedelta.max
