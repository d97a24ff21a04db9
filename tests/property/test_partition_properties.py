"""Partitions of any data: each example on one device, held out or trained on; where devices draw, never both."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.errors import DataError
from fieldfare.emulator.data import Table
from fieldfare.emulator.partition import (
    Partition,
    labels_of,
    make_partition,
    partition_statistics,
)
from fieldfare.emulator.scenario import PartitionSettings

KINDS = ["iid", "dirichlet", "shards", "quantity", "column"]


def table(labels: list[int], column: list[int] | None = None) -> Table:
    rows = len(labels)
    whose = np.arange(rows) % 3 if column is None else np.array(column)
    return Table({"x": np.linspace(-1, 5, rows, dtype=np.float32), "y": np.array(labels, np.int32)}, whose)


def partition_or_refusal(settings: PartitionSettings, labels: list[int], seed: int) -> Partition | str:
    try:
        return make_partition(settings, table(labels), seed)
    except DataError as refusal:
        return str(refusal)


def rows_of(partition: Partition) -> tuple[list[list[int]], list[list[int]]]:
    devices = range(partition.devices)
    kept = [partition.training_rows(device).tolist() for device in devices]
    return kept, [partition.held_out_rows(device).tolist() for device in devices]


@given(
    kind=st.sampled_from(KINDS),
    labels=st.lists(st.integers(-5, 5), min_size=1, max_size=120),
    devices=st.integers(1, 130),
    alpha=st.floats(0.01, 1e6),
    share=st.floats(0, 0.99),
    least=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
def test_each_example_is_on_one_device_or_the_partition_is_refused(kind, labels, devices, alpha, share, least, seed):
    settings = PartitionSettings(kind, devices, alpha=alpha, held_out_share=share, min_examples=least)
    partition = partition_or_refusal(settings, labels, seed)
    if isinstance(partition, str):
        assert any(words in partition for words in ("too few", "no draw", "would have"))
        return
    kept, apart = rows_of(partition)
    assert sorted(chain(*kept, *apart)) == list(range(len(labels)))
    assert partition.devices == (len({index % 3 for index in range(len(labels))}) if kind == "column" else devices)
    for mine, tests in zip(kept, apart, strict=True):
        assert mine
        size = len(mine) + len(tests)
        assert size >= least
        assert len(tests) == min(int(share * size + 0.5), size - 1)
    again = make_partition(settings, table(labels), seed)
    assert rows_of(again) == (kept, apart)


@given(
    kind=st.sampled_from(["iid", "dirichlet", "shards", "quantity"]),
    labels=st.lists(st.integers(0, 4), min_size=4, max_size=60),
    devices=st.integers(1, 200),
    each=st.integers(1, 12),
    alpha=st.floats(0.01, 1e6),
    share=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_what_devices_draw_is_held_out_by_all_or_by_none(kind, labels, devices, each, alpha, share, seed):
    settings = PartitionSettings(kind, devices, alpha=alpha, held_out_share=share, drawn_per_device=each)
    partition = partition_or_refusal(settings, labels, seed)
    if isinstance(partition, str):
        assert "have a single example" in partition or "would have" in partition
        return
    kept, apart = rows_of(partition)
    trained, tested = set(chain(*kept)), set(chain(*apart))
    assert not trained & tested
    assert trained | tested <= set(range(len(labels)))
    sizes = [len(mine) + len(tests) for mine, tests in zip(kept, apart, strict=True)]
    assert all(kept)
    if kind != "shards":
        assert sum(sizes) == devices * each
        assert [len(tests) for tests in apart] == [min(int(share * size + 0.5), size - 1) for size in sizes]
    if kind in {"iid", "dirichlet"}:
        assert set(sizes) == {each}
    assert rows_of(make_partition(settings, table(labels), seed)) == (kept, apart)


@given(
    column=st.lists(st.integers(0, 12), min_size=2, max_size=80),
    labels=st.lists(st.integers(0, 6), min_size=80, max_size=80),
)
def test_statistics_are_those_of_a_slow_count(column, labels):
    data = table(labels[: len(column)], column)
    partition = make_partition(PartitionSettings("column", held_out_share=0.3), data, 1)
    found = partition_statistics(partition, labels_of(PartitionSettings(), data.examples), data.examples)
    owners = sorted(set(column))
    everybody = Counter(data.examples["y"].tolist())
    distances, means = [], []
    for device, owner in enumerate(owners):
        rows = [row for row, whose in enumerate(column) if whose == owner]
        mine = Counter(data.examples["y"][rows].tolist())
        pairs = ((mine[label] / len(rows), total / len(column)) for label, total in everybody.items())
        distances.append(0.5 * sum(abs(share - other) for share, other in pairs))
        means.append(float(data.examples["x"][rows].astype(np.float64).mean()))
        assert found.labels is not None
        assert dict(zip(found.labels.values, found.labels.counts[device], strict=True)) == {
            label: mine[label] for label in everybody
        }
    sizes = Counter(column)
    assert found.label_distance == pytest.approx(np.mean(distances))
    assert found.labels.distance_quantiles[-1] == pytest.approx(max(distances))
    assert sum(found.size_counts) == len(owners)
    assert (found.fewest, found.most, found.distinct) == (min(sizes.values()), max(sizes.values()), len(column))
    (feature,) = found.features
    assert feature.mean == pytest.approx(float(data.examples["x"].astype(np.float64).mean()))
    assert feature.mean_quantiles[0] == pytest.approx(min(means))
    assert feature.mean_quantiles[-1] == pytest.approx(max(means))
    squares = [data.examples["x"][np.array(column) == owner].astype(np.float64) for owner in owners]
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in squares)
    total = float(((data.examples["x"].astype(np.float64) - feature.mean) ** 2).sum())
    spare = len(column) - len(owners)
    expected = max(1 - within / spare * (len(column) - 1) / total, 0.0) if spare else 0.0
    assert feature.between == pytest.approx(expected, abs=1e-6)
