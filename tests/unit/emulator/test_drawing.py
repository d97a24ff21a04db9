"""Devices that draw their examples with replacement."""

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.data import Table
from fieldfare.emulator.partition import Partition, labels_of, make_partition, partition_statistics
from fieldfare.emulator.scenario import PartitionSettings

LABELS = np.repeat(np.arange(10), 30).astype(np.int32)
TABLE = Table({"x": np.arange(300, dtype=np.float32), "label": LABELS}, None)


def drawn(kind: str, devices: int = 2000, each: int = 20, **values: float) -> Partition:
    settings = PartitionSettings(kind, devices, drawn_per_device=each, **values)  # type: ignore[arg-type]
    return make_partition(settings, TABLE, seed=3)


def labels_per_device(partition: Partition) -> float:
    rows = [LABELS[partition.training_rows(device)] for device in range(partition.devices)]
    return float(np.mean([len(np.unique(mine)) for mine in rows]))


def test_a_fleet_may_be_larger_than_its_data_and_every_example_is_drawn_alike() -> None:
    partition = drawn("iid")
    assert partition.rows.shape == (40_000,)
    assert set(partition.held_out.tolist()) == {4}
    counts = np.bincount(partition.rows, minlength=300)
    # 40,000 draws of 300: each row is drawn 133 times, give or take five times the root of that.
    assert counts.min() > 133 - 58
    assert counts.max() < 133 + 58
    found = partition_statistics(partition, None, {})
    assert (found.examples, found.distinct, found.held_out) == (40_000, 300, 8_000)


def test_label_shares_are_those_of_hsu_qi_and_brown() -> None:
    # One label of ten a device as alpha goes to 0; for a large alpha, that of 16 draws of ten labels: 8.15.
    assert labels_per_device(drawn("dirichlet", alpha=1e-3)) == pytest.approx(1.0, abs=0.01)
    assert labels_per_device(drawn("dirichlet", alpha=1e6)) == pytest.approx(10 * (1 - 0.9**16), abs=0.1)
    # A share of label k has the variance (1/10)(9/10) / (alpha + 1): 0.06 for alpha = 0.5, and 0.09 - 0.06 = 0.03 on
    # average within a device, of which 20 draws see a twentieth.
    partition = drawn("dirichlet", devices=20_000, alpha=0.5, held_out_share=0.0)
    shares = (LABELS[partition.rows].reshape(20_000, 20) == 7).mean(axis=1)
    assert shares.mean() == pytest.approx(0.1, abs=0.01)
    assert shares.var() == pytest.approx(0.06 + 0.03 / 20, abs=0.003)


def test_shards_are_of_few_labels_and_of_the_size_that_is_asked_for() -> None:
    partition = drawn("shards", each=20)
    # 30 shards of ten rows, none over two labels; two of them a device, two rows of each held out.
    assert set(np.diff(partition.starts).tolist()) == {20}
    assert set(partition.held_out.tolist()) == {4}
    assert 1 < labels_per_device(partition) < 2
    for device in range(50):
        apart = set(LABELS[partition.held_out_rows(device)].tolist())
        assert apart == set(LABELS[partition.training_rows(device)].tolist())


def test_quantities_differ_around_their_mean() -> None:
    sizes = np.diff(drawn("quantity", alpha=0.3, min_examples=2).starts)
    assert sizes.mean() == 20
    assert sizes.min() == 2
    assert sizes.max() > 100


def test_what_cannot_be_drawn() -> None:
    lonely = Table({"x": np.zeros(4, np.float32), "label": np.int32([0, 0, 0, 1])}, None)
    settings = PartitionSettings("dirichlet", 5, drawn_per_device=4)
    with pytest.raises(DataError, match="1 labels have a single example"):
        make_partition(settings, lonely, 1)
    without = PartitionSettings("dirichlet", 5, drawn_per_device=4, held_out_share=0.0)
    assert make_partition(without, lonely, 1).devices == 5
    single = Table({"x": np.zeros(1, np.float32)}, None)
    with pytest.raises(DataError, match="a single example cannot be trained on and held out"):
        make_partition(PartitionSettings("iid", 2, drawn_per_device=2), single, 1)
    with pytest.raises(ConfigError, match=r'partition\.drawn_per_device: must be 0 with "column"'):
        PartitionSettings("column", drawn_per_device=2)
    with pytest.raises(ConfigError, match=r"must be 0 to 200 with 1000000 devices"):
        PartitionSettings("iid", 1_000_000, drawn_per_device=201)
    with pytest.raises(ConfigError, match=r"at least partition\.min_examples"):
        PartitionSettings("iid", drawn_per_device=2, min_examples=3)


def test_a_million_devices_are_drawn_and_told_in_figures_of_bounded_size() -> None:
    settings = PartitionSettings("dirichlet", 1_000_000, drawn_per_device=2, alpha=0.1)
    partition = make_partition(settings, TABLE, seed=1)
    assert partition.devices == 1_000_000
    found = partition_statistics(partition, labels_of(settings, TABLE.examples), TABLE.examples)
    assert found.labels is not None
    assert len(found.labels.shown) == len(found.labels.counts) == 100
    assert (found.labels.shown[0], found.labels.shown[-1]) == (0, 999_999)
    assert sum(found.size_counts) == 1_000_000
