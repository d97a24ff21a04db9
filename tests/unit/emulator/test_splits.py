"""Partitions: every row on one device, in the shapes that the papers describe."""

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.data import Table
from fieldfare.emulator.partition import (
    column_partition,
    iid_partition,
    labels_if_any,
    labels_of,
    make_partition,
    partition_statistics,
    quantity_partition,
    shard_partition,
)
from fieldfare.emulator.scenario import PartitionKind, PartitionSettings

LABELS = np.repeat(np.arange(10), 60)
TABLE = Table(
    {"x": np.arange(600, dtype=np.float32), "label": LABELS.astype(np.int32)}, np.repeat(["a", "b", "c"], 200)
)


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def complete(parts: list[np.ndarray], rows: int = 600) -> bool:
    return np.array_equal(np.sort(np.concatenate(parts)), np.arange(rows))


def test_equal_parts_differ_by_one_at_the_most() -> None:
    parts = iid_partition(103, 10, rng=rng())
    assert complete(parts, 103)
    assert sorted(map(len, parts)) == [10] * 7 + [11] * 3


def test_shards_give_each_device_few_labels() -> None:
    parts = shard_partition(LABELS, 30, per_device=2, rng=rng())
    assert complete(parts)
    # A shard of ten rows lies within one label, since sixty divide by ten.
    assert {len(np.unique(LABELS[part])) for part in parts} == {1, 2}


def test_quantities_differ_more_with_a_smaller_alpha_and_nobody_has_less_than_the_least() -> None:
    spreads = []
    for alpha in (0.05, 1000.0):
        parts = quantity_partition(600, 20, alpha=alpha, rng=rng(), min_examples=3)
        assert complete(parts)
        assert min(map(len, parts)) >= 3
        spreads.append(max(map(len, parts)))
    assert spreads[0] > 200
    assert spreads[1] < 40


def test_a_column_gives_each_of_its_values_a_device() -> None:
    parts = column_partition(np.array([7, 3, 7, 7, 3]))
    assert [part.tolist() for part in parts] == [[1, 4], [0, 2, 3]]


@pytest.mark.parametrize("kind", ["iid", "dirichlet", "shards", "quantity", "column"])
def test_each_row_trains_or_is_held_out_on_one_device(kind: PartitionKind) -> None:
    settings = PartitionSettings(kind, devices=12, held_out_share=0.25, min_examples=2)
    partition = make_partition(settings, TABLE, seed=1)
    assert partition.devices == (3 if kind == "column" else 12)
    trained = [partition.training_rows(device) for device in range(partition.devices)]
    held_out = [partition.held_out_rows(device) for device in range(partition.devices)]
    assert complete([*trained, *held_out])
    assert [len(one) for one in trained] == partition.training.tolist()
    for mine, apart in zip(trained, held_out, strict=True):
        assert len(apart) == min(int(0.25 * (len(mine) + len(apart)) + 0.5), len(mine) + len(apart) - 1)
    again, other = make_partition(settings, TABLE, seed=1), make_partition(settings, TABLE, seed=2)
    assert np.array_equal(partition.rows, again.rows)
    assert not np.array_equal(partition.rows, other.rows)


def test_statistics() -> None:
    by_person = make_partition(PartitionSettings("column", held_out_share=0.1), TABLE, seed=1)
    found = partition_statistics(by_person, LABELS, {})
    assert (found.devices, found.examples, found.fewest, found.median, found.most) == (3, 600, 200, 200.0, 200)
    assert found.held_out == 60
    # Device 0: three tenths of labels 0, 1 and 2 each, a tenth of label 3; everybody: a tenth of each label.
    assert found.label_distance == pytest.approx(0.5 * (3 * 0.2 + 6 * 0.1))
    alike = make_partition(PartitionSettings("iid", devices=3), TABLE, seed=1)
    assert (partition_statistics(alike, LABELS, {}).label_distance or 1.0) < 0.1
    assert partition_statistics(alike, None, {}).label_distance is None


def test_features_differ_by_device_or_by_chance_alone() -> None:
    values = np.repeat(np.float32([1, 2, 6]), 200) + np.random.default_rng(1).normal(0, 0.1, 600).astype(np.float32)
    by_person = make_partition(PartitionSettings("column"), TABLE, seed=1)
    (found,) = partition_statistics(by_person, None, {"x": values}).features
    assert found.mean_quantiles[0] == pytest.approx(1, abs=0.05)
    assert found.mean_quantiles[-1] == pytest.approx(6, abs=0.05)
    assert found.deviation_quantiles[3] == pytest.approx(0.1, abs=0.02)
    assert found.between > 0.99
    alike = make_partition(PartitionSettings("iid", devices=200), TABLE, seed=1)
    (found,) = partition_statistics(alike, None, {"x": values}).features
    assert found.between < 0.05


def test_labels_may_be_one_hot() -> None:
    one_hot = np.eye(10, dtype=np.float32)[LABELS]
    settings = PartitionSettings("dirichlet", devices=5, labels="hot")
    found = labels_of(settings, {"hot": one_hot})
    assert np.array_equal(found, LABELS)
    assert labels_if_any(PartitionSettings("iid"), {"hot": one_hot}) is None
    assert labels_if_any(PartitionSettings("shards"), {"hot": one_hot}) is not None
    for wrong in (one_hot * 0.5, one_hot[:, :1], np.ones((600, 10), np.float32)):
        with pytest.raises(DataError, match="one integer for each example, or one-hot"):
            labels_of(settings, {"hot": wrong})


def test_what_cannot_be_dealt_out() -> None:
    with pytest.raises(DataError, match="600 examples are too few for 601 parts"):
        make_partition(PartitionSettings("iid", devices=601), TABLE, seed=1)
    with pytest.raises(DataError, match="a device would have 200 examples"):
        make_partition(PartitionSettings("column", min_examples=201), TABLE, seed=1)
    with pytest.raises(DataError, match="there is no tensor 'y'"):
        labels_of(PartitionSettings(labels="y"), TABLE.examples)
    with pytest.raises(DataError, match=r"'x' is float32\[\]"):
        labels_of(PartitionSettings(labels="x"), TABLE.examples)
    with pytest.raises(ConfigError, match="shards_per_device"):
        shard_partition(LABELS, 3, per_device=0, rng=rng())
    with pytest.raises(ConfigError, match="devices"):
        iid_partition(3, 0, rng=rng())
