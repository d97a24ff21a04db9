"""What a store keeps at most: by number, bytes and age, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.sdk import ExampleStore, StoreLimits, TensorSpec
from fieldfare.sdk.store._limits import look

SPECS = (TensorSpec("x", "float32", (2,)), TensorSpec("label", "int32", ()))
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def some(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    numbers = np.arange(first, first + rows)
    return {"x": np.stack([numbers, -numbers], 1).astype(np.float32), "label": numbers.astype(np.int32)}


def labels(store: ExampleStore) -> list[int]:
    return sorted([*store.training()["label"].tolist(), *store.held_out()["label"].tolist()])


@pytest.fixture
def store(tmp_path: Path, clock: Clock):
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0, now=clock) as made:
        yield made


def test_the_oldest_go_first_by_number(store: ExampleStore) -> None:
    store.set_limits(StoreLimits(max_examples=5))
    for index in range(8):
        store.add({"x": [0, 0], "label": index})
    assert labels(store) == [3, 4, 5, 6, 7]
    assert store.add_many(some(3, first=8)) == 3
    assert labels(store) == [6, 7, 8, 9, 10]
    assert store.add_many(some(100)) == 100
    assert labels(store) == [95, 96, 97, 98, 99]


def test_the_oldest_go_first_by_bytes(store: ExampleStore) -> None:
    store.add_many(some(9))
    store.set_limits(StoreLimits(max_bytes=40))
    assert labels(store) == [6, 7, 8]
    store.add({"x": [0, 0], "label": 9})
    assert labels(store) == [7, 8, 9]


def test_the_lower_limit_counts(store: ExampleStore) -> None:
    store.add_many(some(9))
    store.set_limits(StoreLimits(max_examples=2, max_bytes=40))
    assert labels(store) == [7, 8]


def test_limits_are_the_files_own(store: ExampleStore) -> None:
    limits = StoreLimits(3, 1000, timedelta(days=30, microseconds=1))
    assert store.limits == StoreLimits()
    with ExampleStore.open(store.path) as other:
        store.set_limits(limits)
        assert other.limits == limits
        other.add_many(some(7))
    with ExampleStore.create(store.path, SPECS) as same:
        assert same.limits == limits
        assert labels(same) == [4, 5, 6]
    with ExampleStore.create(store.path, SPECS, limits=StoreLimits(max_examples=1)) as same:
        assert same.limits == StoreLimits(max_examples=1)
        assert labels(same) == [6]


def test_the_share_that_is_held_out_is_kept_within_limits(tmp_path: Path) -> None:
    with ExampleStore.create(
        tmp_path / "h.db", SPECS, held_out_share=0.25, limits=StoreLimits(max_examples=40)
    ) as store:
        for first in range(0, 200, 20):
            store.add_many(some(20, first))
        assert store.count(held_out=True) == pytest.approx(10, abs=1)
        store.add_many(some(500))
        assert store.count() == 40
        assert store.count(held_out=True) == pytest.approx(10, abs=1)


def test_limits_that_cannot_be_are_refused(store: ExampleStore, tmp_path: Path) -> None:
    for wrong in ({"max_examples": 0}, {"max_bytes": -1}, {"max_examples": 1.5}, {"max_age": timedelta(0)}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            StoreLimits(**wrong)
    with pytest.raises(ConfigError, match="one example alone has 12 bytes"):
        store.set_limits(StoreLimits(max_bytes=11))
    with pytest.raises(ConfigError, match="12 bytes"):
        ExampleStore.create(tmp_path / "new.db", SPECS, limits=StoreLimits(max_bytes=11))
    assert not (tmp_path / "new.db").exists()
    assert store.limits == StoreLimits()


def test_age_keeps_back_at_once_and_deletes_a_day_later(store: ExampleStore, clock: Clock) -> None:
    store.set_limits(StoreLimits(max_age=10 * DAY))
    store.add_many(some(3))
    clock.time += 6 * DAY
    store.add_many(some(2, first=3))
    clock.time += 4 * DAY + HOUR
    assert labels(store) == [3, 4]
    assert store.count() == 2
    assert sum(store.collections().values()) == 5
    clock.time += DAY
    assert labels(store) == [3, 4]
    assert sum(store.collections().values()) == 2, "reading alone drops what is due"


def test_replacing_an_example_begins_its_age_anew(store: ExampleStore, clock: Clock) -> None:
    store.set_limits(StoreLimits(max_age=10 * DAY))
    store.add({"x": [0, 0], "label": 1}, key="a")
    clock.time += 9 * DAY
    store.add({"x": [0, 0], "label": 2}, key="a")
    clock.time += 9 * DAY
    assert labels(store) == [2]


def test_a_clock_that_is_ahead_for_a_while_costs_nothing(store: ExampleStore, clock: Clock) -> None:
    store.set_limits(StoreLimits(max_age=10 * DAY))
    store.add_many(some(3))
    clock.time += 14 * 365 * DAY
    assert labels(store) == [], "what seems too old is kept back"
    store.add({"x": [0, 0], "label": 3})
    clock.time = START + HOUR
    assert labels(store) == [0, 1, 2, 3]
    # And what was stamped far ahead comes of age all the same.
    for _ in range(14):
        clock.time += DAY
        store.count()
    assert labels(store) == []
    assert store.collections() == {"default": 0}


def test_a_clock_that_goes_back_for_a_while_costs_nothing(store: ExampleStore, clock: Clock) -> None:
    store.set_limits(StoreLimits(max_age=10 * DAY))
    store.add_many(some(3))
    clock.time -= 1000 * DAY
    assert labels(store) == [0, 1, 2]
    store.add({"x": [0, 0], "label": 3})
    clock.time = START + 2 * HOUR
    assert labels(store) == [0, 1, 2, 3]
    clock.time += 2 * DAY
    assert labels(store) == [0, 1, 2, 3]


def test_a_look_settles_a_day_after_an_earlier_one() -> None:
    day = 86_400_000_000
    assert (look(None, 5).mark, look(None, 5).settled) == (5, None)
    assert (look(5, 4).mark, look(5, 4).settled) == (4, None)
    assert (look(5, 5 + day - 1).mark, look(5, 5 + day - 1).settled) == (5, None)
    assert (look(5, 5 + day).mark, look(5, 5 + day).settled) == (5 + day, 5)


def test_damaged_limits_are_noticed(store: ExampleStore) -> None:
    store.set_limits(StoreLimits(max_examples=5))
    store._connection.execute("UPDATE properties SET value = x'7b7d' WHERE name = 'limits'")
    with pytest.raises(StorageError, match="limits cannot be read"):
        store.add({"x": [0, 0], "label": 3})
