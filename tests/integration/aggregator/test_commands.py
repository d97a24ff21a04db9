"""`fieldfare serve` and `fieldfare task`, as a person would use them."""

import io
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fieldfare.aggregator import Aggregator
from fieldfare.core.command import Console, run
from tests.integration.aggregator.fleet import Device, connect
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    with Aggregator(tmp_path / "state", settings=SETTINGS) as running:
        yield running


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.tflite"
    path.write_bytes(PLAN)
    weights = {"dense/kernel": np.array([[1], [2]], np.float32), "dense/bias": np.array([3], np.float32)}
    save_file(weights, tmp_path / "start.safetensors")
    return path


def fieldfare(*argv: str | Path) -> tuple[int, str]:
    out = io.StringIO()
    entries = [one for one in metadata.entry_points(group="fieldfare.commands") if one.name in {"serve", "task"}]
    status = run([str(one) for one in argv], Console(out, out), {}, entries)
    return status, out.getvalue()


def test_a_task_from_submission_to_weights(aggregator: Aggregator, plan: Path, tmp_path: Path) -> None:
    admin = ("--admin", aggregator.admin_address)
    config = tmp_path / "task.toml"
    config.write_text('name = "other"\npopulation = "p"\nevaluate_every = 0\n[training]\ngoal_count = 9\n')
    flags = ("--config", config, "--name", "first", "--rounds", "1", "--goal", "2")
    status, text = fieldfare("task", "submit", plan, *flags, "--weights", plan.with_name("start.safetensors"), *admin)
    assert status == 0, text
    assert "first for population p" in text
    assert " running " in fieldfare("task", "list", *admin)[1]
    devices = [Device(index, connect(aggregator.address)) for index in range(2)]
    for device in devices:
        device.check_in()
    devices[0].report()
    text = fieldfare("task", "show", "first", *admin)[1]
    assert "training round 1: selecting, 1 of 2 reports, at least 2 needed" in text
    task_id = text.partition("(")[2].partition(")")[0]
    assert fieldfare("task", "show", task_id[:6], *admin) == fieldfare("task", "show", task_id, *admin)
    devices[1].report()
    status, text = fieldfare("task", "show", "first", "--watch", *admin)
    assert status == 0
    assert "devices 2/2" in text
    assert "first completed: 1 rounds done; checkpoint version 1" in text
    text = fieldfare("task", "show", "first", *admin)[1]
    assert "training  committed  2/2" in text
    assert fieldfare("task", "fetch", "first", "--output", tmp_path / "out.safetensors", *admin)[0] == 0
    assert {name: one.shape for name, one in load_file(tmp_path / "out.safetensors").items()} == {
        "dense/kernel": (2, 1),
        "dense/bias": (1,),
    }
    fetched = ("--output", tmp_path / "out.weights", "--plan", tmp_path / "again.tflite")
    assert fieldfare("task", "fetch", "first", *fetched, *admin)[0] == 0
    assert (tmp_path / "again.tflite").read_bytes() == PLAN
    again = ("--name", "again", "--population", "p", "--weights", tmp_path / "out.weights")
    adaptive = ("--algorithm", "fedadam", "--combiner", "MEDIAN", "--server-learning-rate", "0.03")
    assert fieldfare("task", "submit", plan, *again, *adaptive, *admin)[0] == 0
    assert "algorithm   fedavg, mean by examples\n" in text
    assert "algorithm   fedadam, median\n" in fieldfare("task", "show", "again", *admin)[1]
    for action in ("pause", "resume", "cancel"):
        assert fieldfare("task", action, "again", *admin)[0] == 0
    assert fieldfare("task", "show", "again", "--watch", *admin)[0] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("list", "--admin", "127.0.0.1:1"), "no answer from an aggregator at 127.0.0.1:1"),
        (("submit", "PLAN", "--population", "p"), "give --name"),
        (("submit", "PLAN", "--population", "p", "--name", "a b"), "name: needs 1 to 64"),
        (("submit", "PLAN", "--population", "p", "--name", "n", "--target", "acc"), "METRIC=VALUE"),
        (("submit", "PLAN", "--population", "p", "--name", "n", "--algorithm", "SGD"), "must be one of FEDAVG, DSGD"),
        (
            ("submit", "PLAN", "--population", "p", "--name", "n", "--batch-size", "65537"),
            "local.batch_size: must be 0",
        ),
        (
            ("submit", "PLAN", "--population", "p", "--name", "n", "--max-steps", "1000001"),
            "local.max_steps: must be 0",
        ),
        (
            ("submit", "PLAN", "--population", "p", "--name", "n", "--algorithm", "DSGD", "--local-metrics"),
            "no effect with DSGD",
        ),
        (("submit", "PLAN", "--config", "nowhere.toml"), "cannot read nowhere.toml"),
        (("submit", "nowhere", "--population", "p", "--name", "n"), "cannot read the plan nowhere"),
        (("submit", "PLAN", "--population", "p", "--name", "n", "--weights", "x.npz"), "cannot read x.npz"),
        (("fetch", "t", "--output", "x.h5"), "end in .safetensors"),
        (("fetch", "t", "--plan", "nowhere/plan.tflite"), "there is no folder nowhere"),
        (("fetch", "t"), "nothing to fetch"),
    ],
)
def test_mistakes_get_one_clear_line(plan: Path, argv: tuple[str, ...], words: str) -> None:
    status, text = fieldfare("task", *(str(plan) if one == "PLAN" else one for one in argv))
    assert status != 0
    assert text.startswith("fieldfare: ")
    assert words in text
    assert text.count("\n") == 1
