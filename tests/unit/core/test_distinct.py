from datetime import UTC, datetime, timedelta

import pytest

from fieldfare.core.rounds import DistinctDevices

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(minutes=80)


def ids(start: int, count: int) -> list[bytes]:
    return [index.to_bytes(16, "little") for index in range(start, start + count)]


@pytest.mark.parametrize(
    ("count", "tolerance"), [(0, 0), (1, 0), (10, 0.11), (300, 0.03), (5_000, 0.05), (11_000, 0.05), (200_000, 0.05)]
)
def test_the_estimate_is_near_for_every_size(count: int, tolerance: float) -> None:
    seen = DistinctDevices(WINDOW, b"salt", NOW)
    for device in ids(0, count):
        seen.see(device, NOW)
    assert abs(seen.count(NOW) - count) <= tolerance * count


def test_the_same_devices_again_change_nothing() -> None:
    seen = DistinctDevices(WINDOW, b"salt", NOW)
    for _ in range(5):
        for device in ids(0, 1000):
            seen.see(device, NOW)
    once = DistinctDevices(WINDOW, b"salt", NOW)
    for device in ids(0, 1000):
        once.see(device, NOW)
    assert seen.count(NOW) == once.count(NOW)


def test_devices_that_stay_away_are_forgotten_and_others_are_not() -> None:
    seen = DistinctDevices(WINDOW, b"salt", NOW)
    for device in ids(0, 2000):
        seen.see(device, NOW)
    half = NOW + WINDOW / 2
    for device in ids(1500, 1000):
        seen.see(device, half)
    assert abs(seen.count(half) - 2500) < 125
    assert abs(seen.count(NOW + WINDOW * 1.13) - 1000) < 50
    assert seen.count(half + WINDOW * 1.13) == 0
    for device in ids(0, 100):
        seen.see(device, NOW + 100 * WINDOW)
    assert abs(seen.count(NOW + 100 * WINDOW) - 100) <= 3
    # A clock that was set back keeps what there is.
    assert seen.count(NOW) == seen.count(NOW + 100 * WINDOW)


def test_nobody_can_make_up_ids_that_count_as_many() -> None:
    """Ids chosen for one salt have the longest runs of zeros there, and are ordinary under another."""
    known, secret = (DistinctDevices(WINDOW, salt, NOW) for salt in (b"known", b"secret"))
    chosen = []
    for device in ids(0, 60_000):
        before = known.count(NOW)
        known.see(device, NOW)
        if len(chosen) < 50 and known.count(NOW) > before + 5:
            chosen.append(device)
    for device in chosen:
        secret.see(device, NOW)
    assert abs(secret.count(NOW) - len(chosen)) <= 3
