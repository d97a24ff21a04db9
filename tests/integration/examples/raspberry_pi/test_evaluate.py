"""The experiment over people: it learns, and the same seed gives the same weights."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.raspberry_pi.recordings import UNSEEN, default_path
from tests.support.commands import ROOT, environment
from tests.support.made_recordings import write_made_recordings


def _evaluate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.raspberry_pi.evaluate", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=280, check=False
    )


def _checkpoint(done: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"^Checkpoint ([0-9a-f]{64})\.$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    return found[1]


@pytest.mark.slow
@pytest.mark.skipif(not default_path().exists(), reason=f"{default_path()} is not there")
def test_the_short_form_recognises_most_of_what_unseen_people_do() -> None:
    done = _evaluate("--short", "--goal", "0.8")
    assert done.returncode == 0, done.stdout + done.stderr
    people = re.findall(r"^\| (\d+) \| (0\.\d+|1\.000) \|$", done.stdout, re.MULTILINE)
    assert [int(person) for person, _ in people] == list(UNSEEN)
    overall = re.search(r"^\| all, 2,947 windows \| (\d\.\d+) \|$", done.stdout, re.MULTILINE)
    assert overall is not None
    assert float(overall[1]) >= 0.8


@pytest.mark.slow
def test_a_seed_gives_the_same_weights_whatever_the_number_of_processes(tmp_path: Path) -> None:
    data = tmp_path / "made.npz"
    write_made_recordings(data, dict.fromkeys((1, 3, 5, *UNSEEN), 6))
    common = ("--data", data, "--rounds", "2", "--epochs", "1", "--goal", "0", "--seed", "7")
    one = _evaluate(*common, "--processes", "1", "--output", tmp_path / "one")
    three = _evaluate(*common, "--processes", "3")
    assert one.returncode == three.returncode == 0, one.stderr + three.stderr
    assert _checkpoint(one) == _checkpoint(three)
    assert (tmp_path / "one" / "plan.tflite").exists()

    refused = _evaluate(*common, "--output", tmp_path / "one")
    assert refused.returncode == 2
    assert "holds files: name an empty folder" in refused.stderr


def test_data_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = _evaluate("--data", tmp_path / "none.npz")
    assert done.returncode == 1
    assert re.fullmatch(r"evaluate: .*none\.npz is not there: --data names it, or .*\n", done.stderr)

    write_made_recordings(tmp_path / "made.npz", {3: 1, 8: 1})
    for unseen, message in (("9", "has no subject 9"), ("3 8", "there must be somebody to train on")):
        done = _evaluate("--data", tmp_path / "made.npz", "--unseen", *unseen.split())
        assert done.returncode == 1
        assert message in done.stderr
