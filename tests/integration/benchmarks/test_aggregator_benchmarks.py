"""Every benchmark of the aggregator runs, in small; each checks the mean by itself and ends with 1 where it is off."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.measuring import ratios
from benchmarks.measuring.ratios import Goal

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("accumulate --weights 5000 --repeats 2", ["speed of the sum over acc += w * x"]),
        ("ingest --weights 3000 --reports 4 --turns 1 --threads 2", ["ingest over a bare stream"]),
        ("checkins --devices 4 --turns 1 --seconds 0.1 --threads 2", ["check-ins a second over a bare echo"]),
        ("memory --weights 3000 --few 4 --updates 8 --parts 2", ["growth over what is allowed"]),
        (
            "peer --without-peer --clients 2 --weights 3000 --turns 1 --rounds 2",
            ["bytes up over weights, 2 clients", "bytes down over weights, 2 clients"],
        ),
    ],
)
def test_it_runs(words: str, names: list[str]) -> None:
    name, *options = words.split()
    command = [sys.executable, "-m", f"benchmarks.aggregator.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = {line.partition(":")[0]: line for line in done.stdout.splitlines() if "(goal: " in line}
    assert set(names) <= set(found)
    assert all(float(found[one].split(": ")[1].split()[0]) > 0 for one in names)


def test_ratios_are_stored_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "STORED", tmp_path / "stored.json")
    store, check = Namespace(store=True, check=False), Namespace(store=False, check=True)
    ratios.settle("a", {"speed": Goal(2.0, 1.0), "bytes": Goal(1.0, 1.0, at_most=True)}, store, "here")
    ratios.settle("b", {"speed": Goal(0.5, 1.0)}, store, "there")
    assert json.loads((tmp_path / "stored.json").read_text()) == {
        "a": {"measured": "here", "ratios": {"speed": 2.0, "bytes": 1.0}},
        "b": {"measured": "there", "ratios": {"speed": 0.5}},
    }
    ratios.settle("a", {"speed": Goal(1.4, 1.0), "bytes": Goal(1.4, 1.0, at_most=True)}, check, "later")
    with pytest.raises(SystemExit, match=r"speed: 1.2, stored is 2"):
        ratios.settle("a", {"speed": Goal(1.2, 1.0)}, check, "later")
    with pytest.raises(SystemExit, match=r"bytes: 1.6, stored is 1"):
        ratios.settle("a", {"bytes": Goal(1.6, 1.0, at_most=True)}, check, "later")
    with pytest.raises(SystemExit, match="other: no stored ratio"):
        ratios.settle("a", {"other": Goal(1.0, 1.0)}, check, "later")


def test_whether_a_goal_is_met() -> None:
    assert Goal(0.8, 0.8).met
    assert not Goal(0.79, 0.8).met
    assert Goal(1.02, 1.02, at_most=True).met
    assert not Goal(1.03, 1.02, at_most=True).met
