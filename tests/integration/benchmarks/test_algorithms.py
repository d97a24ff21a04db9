"""The comparison of algorithms in its short form: where labels differ, SCAFFOLD is ahead of FedAvg."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.algorithms.__main__ import main
from benchmarks.algorithms.contenders import CONTENDERS
from benchmarks.algorithms.problems import PROBLEMS, synthetic
from benchmarks.algorithms.runs import Curve
from benchmarks.algorithms.tables import interval

_ROW = re.compile(r"^\| (\w+) \| ([^|]+) \| (\d\.\d{3})", re.MULTILINE)


@pytest.mark.slow
def test_scaffold_is_ahead_where_each_device_knows_one_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("keras")
    words = ["--short", "--problems", "labels", "--processes", "1", "--output", str(tmp_path)]
    assert main(words) == 0
    report = (tmp_path / "report.md").read_text()
    rows = {name: (settings, float(accuracy)) for name, settings, accuracy in _ROW.findall(report)}
    assert list(rows) == ["FedAvg", "SCAFFOLD"]
    assert rows["FedAvg"][0] == rows["SCAFFOLD"][0] == "device 0.1, server 1"
    assert rows["SCAFFOLD"][1] > rows["FedAvg"][1] + 0.05
    picture = (tmp_path / "curves.svg").read_text()
    assert all(f">{word}</text>" in picture for word in ("FedAvg", "SCAFFOLD", "labels"))
    told = capsys.readouterr()
    assert "2 of 2 runs" in told.err
    # What has been run is not run once more.
    assert main(words) == 0
    again = capsys.readouterr()
    assert "runs" not in again.err
    assert again.out.splitlines()[:8] == told.out.splitlines()[:8]


def test_every_algorithm_has_as_many_settings_to_be_tuned_with() -> None:
    for problem in PROBLEMS.values():
        grids = {name: one.grid(problem) for name, one in CONTENDERS.items()}
        assert {len(grid) for grid in grids.values()} == {9}
        for name, grid in grids.items():
            assert len({tuple(sorted(one.items())) for one in grid}) == 9
            assert {one["task.aggregation.algorithm"] for one in grid} == {name.upper()}


def test_a_curve_tells_where_it_ends_and_when_it_got_there() -> None:
    curve = Curve((0.1, 0.5, 0.4, 0.6, 0.7, 0.8), ended=True, fleet_s=1.0)
    assert curve.final == pytest.approx(0.6)
    assert (curve.rounds_to(0.5), curve.rounds_to(0.9)) == (4, None)
    assert Curve(curve.accuracy, ended=False, fleet_s=1.0).final == 0


def test_an_interval_is_students() -> None:
    mean, width = interval([0.01, 0.02, 0.03, 0.04, 0.05])
    assert mean == pytest.approx(0.03)
    # t of 4 degrees of freedom is 2.776; the deviation 0.015811 over the root of 5 is 0.0070711.
    assert width == pytest.approx(2.7764 * 0.0070711, rel=1e-4)


def test_synthetic_devices_have_a_truth_of_their_own() -> None:
    x, label, device = synthetic(6, alpha=1.0, beta=1.0, rng=np.random.default_rng(1))
    assert x.shape == (len(label), 60)
    assert x.dtype == np.float32
    assert set(device) == set(range(6))
    counts = np.bincount(device)
    assert counts.min() >= 50
    assert counts.max() <= 400
    # The first of 60 inputs varies with deviation 1, the last with 60 ** -0.6, around a middle that is the device's.
    within = np.array([x[device == one].std(axis=0) for one in range(6)])
    assert within[:, 0].mean() == pytest.approx(1, rel=0.15)
    assert within[:, 59].mean() == pytest.approx(60**-0.6, rel=0.15)
    middles = np.array([x[device == one].mean(axis=0) for one in range(6)])
    assert middles.std(axis=0).mean() > 0.5
    shares = np.array([np.bincount(label[device == one], minlength=10) / counts[one] for one in range(6)])
    assert 0.5 * np.abs(shares[:, None] - shares).sum(axis=2).max() > 0.5
