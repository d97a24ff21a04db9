"""Rows of devices: written as they happen, cut back to a position, summed up for the report."""

import contextlib
import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from fieldfare.core.errors import StorageError
from fieldfare.core.rounds import Ticket
from fieldfare.emulator.records import (
    DeviceRows,
    FleetRecord,
    LogHistogram,
    Totals,
    read_rows,
    record_fleet,
    reported_metrics,
)
from fieldfare.emulator.simulation import Ending, Fate, Flight
from fieldfare.protos.v1 import aggregator_pb2
from tests.support.small_disk import fill, small_disk

__all__ = ["small_disk"]

METRICS = ("accuracy", "loss")
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def ending(
    device: int,
    how: str,
    *,
    number: int = 1,
    kind: int = 1,
    took: float = 5.0,
    why: str = "",
    metrics: dict[str, float] | None = None,
) -> Ending:
    assignment = aggregator_pb2.Assignment(round_number=number, kind=kind)
    assignment.checkpoint.size_bytes = 1000
    given = Ticket(bytes(16), bytes(16), number, kind, BEGAN)
    times = (BEGAN, BEGAN + seconds(took))
    parts = (seconds(took - 2), seconds(2))
    flight = Flight(0, device, assignment, b"", given, *times, Fate.REPORTS, False, 50, *parts, energy_j=2.0)
    return Ending(flight, how, why, 7, metrics or {})


def written(folder: Path, totals: Totals | None = None) -> Path:
    rows = DeviceRows(folder / "devices.csv", totals or Totals(), METRICS)
    rows.add(ending(0, "counted", metrics={"loss": 2.0}), 0.0)
    rows.add(ending(1, "refused", why="too\nlarge, by far", metrics={"loss": 9.0}), 3600.0)
    rows.add(ending(2, "dropped", took=3.0), 90_000.0)
    rows.add(ending(0, "counted", number=2, kind=2, metrics={"accuracy": 0.25, "loss": 1.0}), 7200.0)
    rows.add(ending(0, "counted", number=4, kind=2, metrics={"accuracy": 0.75, "loss": 0.5}), 7300.0)
    rows.add(ending(1, "late", number=4, kind=2, metrics={"accuracy": 0.1}), 7300.0)
    rows.add(ending(3, "counted", number=4, kind=2, metrics={"accuracy": 0.5, "loss": 0.9}), 7300.0)
    rows.close()
    return folder / "devices.csv"


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def record(folder: Path, **values: Any) -> FleetRecord:
    given = {"devices": 5, "metric": "accuracy", "metrics": METRICS} | values
    return record_fleet(folder / "devices.csv", folder / "devices.parquet", **given)


def test_a_line_tells_what_a_device_did(tmp_path: Path) -> None:
    found = lines(written(tmp_path))
    assert found[1] == {
        "round": "1",
        "kind": "training",
        "device": "1",
        "began_s": "3600.000",
        "seconds": "5.000",
        "compute_s": "3.000",
        "transfer_s": "2.000",
        "ended": "refused",
        "why": "too large, by far",
        "examples": "7",
        "bytes_down": "1000",
        "bytes_up": "50",
        "energy_j": "2.000",
        "metric_accuracy": "",
        "metric_loss": "9",
    }
    assert (found[2]["ended"], found[2]["bytes_up"], found[3]["kind"]) == ("dropped", "0", "evaluation")


def test_totals_are_counted_along(tmp_path: Path) -> None:
    totals = Totals()
    written(tmp_path, totals)
    assert totals == Totals(Counter(counted=4, refused=1, dropped=1, late=1), 33.0, 7000, 300, 14.0)


def test_what_is_behind_a_position_is_cut_off(tmp_path: Path) -> None:
    totals, path = Totals(), tmp_path / "devices.csv"
    rows = DeviceRows(path, totals, METRICS)
    rows.add(ending(0, "counted"), 0.0)
    kept = rows.position()
    expected, before = lines(path), totals.to_json()
    rows.add(ending(1, "late"), 1.0)
    rows.close()
    assert totals.to_json() != before
    again = Totals.from_json(before)
    more = DeviceRows(path, again, METRICS, keep=kept)
    more.add(ending(2, "left"), 2.0)
    assert more.position() == path.stat().st_size
    more.close()
    found = lines(path)
    assert found[:1] == expected
    assert [(row["device"], row["ended"]) for row in found] == [("0", "counted"), ("2", "left")]
    assert again.ended == Counter(counted=1, left=1)


def test_a_file_that_has_lost_its_end_is_not_gone_on_with(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(StorageError, match="is shorter than it was"):
        DeviceRows(path, Totals(), METRICS, keep=path.stat().st_size + 1)


def test_parquet_holds_the_same_rows_with_types(tmp_path: Path) -> None:
    path = written(tmp_path)
    record(tmp_path)
    table = parquet.read_table(tmp_path / "devices.parquet")
    assert table.num_rows == 7
    assert [str(kind) for kind in table.schema.types[:4]] == ["int32", "string", "int32", "double"]
    assert table.column("why").to_pylist()[:3] == ["", "too large, by far", ""]
    assert table.column("metric_accuracy").to_pylist() == [None, None, None, 0.25, 0.75, 0.1, 0.5]
    assert table.column("device").to_pylist() == [int(row["device"]) for row in lines(path)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["devices.csv", "devices.parquet"]


def test_the_fleet_in_all(tmp_path: Path) -> None:
    written(tmp_path)
    found = record(tmp_path)
    assert found.trained.tolist() == [1, 0, 0, 0, 0]
    assert found.asked.tolist() == [3, 2, 1, 1, 0]
    assert found.took_part == 1
    # The newest evaluation that counted; device 1 came too late with its only one.
    assert found.latest.tolist() == pytest.approx([0.75, np.nan, np.nan, 0.5, np.nan], nan_ok=True)
    assert found.measured_in.tolist() == [4, 0, 0, 4, 0]
    assert found.ends["evaluation", "counted"] == 3
    assert found.reasons == {("refused", "too large, by far"): 1, ("dropped", ""): 1, ("late", ""): 1}
    assert (found.compute_total_s, found.transfer_total_s) == (19.0, 14.0)
    assert found.joules == {1: 6.0, 2: 2.0, 4: 6.0}
    assert (found.hours[0, :3].tolist(), found.hours[1, 1], found.hours.sum()) == ([1, 1, 4], 1, 7)
    # Who dropped out is in no distribution of durations.
    assert (found.seconds.total, found.transfer_s.total) == (6, 6)


def test_the_worst_tenth_is_the_low_or_the_high_end() -> None:
    one = FleetRecord.of(30)
    one.latest[:25] = np.arange(25)
    assert one.worst(lower_is_better=False).tolist() == [0, 1, 2]
    assert one.worst(lower_is_better=True).tolist() == [24, 23, 22]
    assert FleetRecord.of(3).worst(lower_is_better=False).tolist() == []


def test_no_lines_are_an_empty_record(tmp_path: Path) -> None:
    DeviceRows(tmp_path / "devices.csv", Totals(), METRICS).close()
    found = record(tmp_path)
    assert (found.took_part, found.ends, len(found.measured)) == (0, Counter(), 0)
    assert parquet.read_table(tmp_path / "devices.parquet").num_rows == 0


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    with path.open("a") as file:
        file.write("1,training,zero\n")
    with pytest.raises(StorageError, match=r"cannot read .*devices\.csv"):
        list(read_rows(path, METRICS))


def test_magnitudes_of_durations() -> None:
    histogram = LogHistogram()
    histogram.add(np.array([0.0, 1e-9, 1.05, 1.05, 1.05, 9.5, 1e12]))
    edges, counts = histogram.filled()
    assert histogram.total == counts.sum() == 6
    assert (edges[0], edges[-1]) == pytest.approx((1e-3, 1e7))
    assert histogram.quantile(0.5) == pytest.approx(1.05, rel=0.1)
    assert np.isnan(LogHistogram().quantile(0.5))
    assert [len(one) for one in LogHistogram().filled()] == [0, 0]


def test_devices_may_measure_before_and_after() -> None:
    assert reported_metrics(METRICS, local=False) == METRICS
    assert reported_metrics(("loss",), local=True) == ("loss", "after/loss", "before/loss")


def test_a_disk_that_is_full_leaves_whole_lines(small_disk: Path) -> None:
    rows = DeviceRows(small_disk / "devices.csv", Totals(), METRICS)
    filler = fill(small_disk)
    # Room for some lines, and half of one.
    with filler.open("r+b") as file:
        file.truncate(file.seek(0, 2) - 8192)
    with pytest.raises(StorageError, match=r"cannot write .*devices\.csv: No space left"):  # noqa: PT012
        for number in range(1000):
            rows.add(ending(number, "counted"), 0.0)
    with contextlib.suppress(StorageError):
        rows.close()
    found = lines(small_disk / "devices.csv")
    assert len(found) > 10
    assert [row["device"] for row in found] == [str(number) for number in range(len(found))]
    assert {row["metric_loss"] for row in found} == {""}
