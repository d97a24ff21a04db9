"""The example, run as its README says."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from examples.height_weight.averaging import Samples, least_squares, rmse
from examples.height_weight.federated import train_federated
from examples.height_weight.people import FILE_NAME, deal_out, load_people
from tests.support.commands import ROOT, environment

pytest.importorskip("keras")


@pytest.mark.slow
def test_the_example_reaches_the_line_that_it_promises() -> None:
    done = subprocess.run(
        [sys.executable, "examples/height_weight/run.py", "--seed", "1"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    best = re.search(r"least squares: weight = [\d.]+ height - [\d.]+, RMSE ([\d.]+) kg", done.stdout)
    goal = re.search(r"rounds until RMSE is at most ([\d.]+) kg", done.stdout)
    assert best is not None
    assert goal is not None
    rows = re.findall(r"^  (.+?) +(\d+) rounds  RMSE ([\d.]+) kg", done.stdout, re.MULTILINE)
    assert len(rows) == 5
    assert all(float(error) <= float(goal[1]) for _, _, error in rows)
    rounds = {name: int(count) for name, count, _ in rows}
    # One local step of averaging is distributed SGD, which is gradient descent; several local steps need fewer rounds.
    one_step = rounds["federated averaging, 2 clients, 1 local step"]
    assert rounds["centralised gradient descent"] == rounds["distributed SGD, 2 clients"] == one_step
    assert rounds["federated averaging, 20 clients, 5 local steps"] < one_step
    real = re.search(r"  target reached: .* after (\d+) rounds: .*, RMSE ([\d.]+) kg", done.stdout)
    assert real is not None, done.stdout
    assert float(real[2]) <= 1.01 * float(best[1]) + 0.001
    excess = re.search(r"that is (-?[\d.]+)% above least squares", done.stdout)
    assert excess is not None
    assert float(excess[1]) <= 1.0


@pytest.mark.slow
def test_people_are_made_up_where_the_census_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDFARE_DATA", str(tmp_path))
    people = load_people()
    assert people.source == f"352 made-up people ({FILE_NAME} is not there)"
    parts = deal_out(len(people.x), 6, np.random.default_rng(1))
    everyone = Samples(people.x, people.weight_kg)
    target = 1.005 * rmse(least_squares(everyone), everyone)
    limit = timedelta(seconds=60)
    result = train_federated(people, parts, tmp_path / "run", target_rmse=target, seed=1, round_limit=limit)
    assert result.reason.startswith("target reached")
    assert rmse(result.line, everyone) <= 1.0001 * target
