"""The scenarios whose result is known, in their short form, by the commands that their README names."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from examples.emulation import check, prepare
from examples.emulation.activity.data import separate_windows
from examples.emulation.known import KNOWN
from examples.raspberry_pi.recordings import default_path
from tests.support.commands import fieldfare
from tests.support.made_recordings import write_made_recordings

pytest.importorskip("keras")

Capture = pytest.CaptureFixture[str]

_ROW = re.compile(
    r"^\| (\w+) \| (\d+) \| (\w+) \| ([\d.]+)( \*\*missed\*\*)? \| ([<>]=) ([\d.]+) \| ([\d.]+|-) \|$", re.MULTILINE
)


@pytest.mark.slow
def test_digits_and_a_line_reach_what_they_must(tmp_path: Path, capsys: Capture) -> None:
    assert (
        check.main(["--short", "--only", "digits", "height_weight", "--workers", "1", "--output", str(tmp_path)]) == 0
    )
    (digits, line) = _ROW.findall(capsys.readouterr().out)
    assert digits[:3] == ("digits", "1", "accuracy")
    assert float(digits[3]) >= float(digits[6]) == KNOWN["digits"].short_must_reach
    assert line[:3] == ("height_weight", "1", "RMSE")
    assert float(line[3]) <= float(line[6]) == pytest.approx(1.02 * float(line[7]), abs=1e-4)
    # What it says is also what the run's own evaluation round found, on the devices that did not drop out of it.
    summary = json.loads((tmp_path / "digits" / "seed-1" / "summary.json").read_text())
    assert summary["held_out"]["accuracy"] == pytest.approx(float(digits[3]), abs=0.05)
    assert summary["scenario"]["partition.kind"] == "dirichlet"


@pytest.mark.slow
@pytest.mark.skipif(not default_path().exists(), reason=f"{default_path()} is not there: set FIELDFARE_DATA")
def test_activities_of_thirty_people_reach_what_they_must(tmp_path: Path, capsys: Capture) -> None:
    assert check.main(["--short", "--only", "activity", "--workers", "1", "--output", str(tmp_path)]) == 0
    ((name, _, _, reached, missed, _, bar, _),) = _ROW.findall(capsys.readouterr().out)
    assert (name, missed) == ("activity", "")
    assert float(reached) >= float(bar) == KNOWN["activity"].short_must_reach
    summary = json.loads((tmp_path / "activity" / "seed-1" / "summary.json").read_text())
    assert summary["partition"]["devices"] == 30


def test_windows_that_are_held_out_share_no_sample_with_others(tmp_path: Path) -> None:
    write_made_recordings(tmp_path / "made.npz", {3: 4, 8: 3})
    data = separate_windows(tmp_path / "made.npz")
    samples = data["window"].reshape(-1, 9)
    assert len(np.unique(samples, axis=0)) == len(samples)
    # A recording of 320 samples makes four windows that overlap, and two that do not.
    assert [int((data["subject"] == person).sum()) for person in (3, 8)] == [8, 6]


@pytest.mark.slow
def test_a_prepared_scenario_is_emulated_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDFARE_DATA", str(tmp_path))
    assert prepare.main(["height_weight", str(tmp_path)]) == 0
    values = ("--set", "task.rounds=5", "--set", "engine.workers=1")
    ran = fieldfare("emulate", tmp_path / "scenario.toml", "--output", tmp_path / "out", *values)
    assert ran.returncode == 0, ran.stderr
    assert "20 devices, 352 examples" in ran.stdout


def test_data_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("FIELDFARE_DATA", str(tmp_path))
    assert prepare.main(["activity", str(tmp_path)]) == 1
    assert re.fullmatch(r"prepare: .*uci_har\.npz is not there: .*\n", capsys.readouterr().err)
    assert check.main(["--only", "activity"]) == 1
    assert re.fullmatch(r"check: .*uci_har\.npz is not there: .*\n", capsys.readouterr().err)
