from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import TargetSpec
from fieldfare.emulator.demo import DemoSettings

OUTPUT = Path("runs/demo")


@pytest.mark.parametrize(
    ("flag", "low", "high"),
    [("devices", 2, 120), ("rounds", 1, 1000), ("processes", 1, 64), ("port", 0, 65535)],
)
def test_whole_numbers_are_bounded(flag: str, low: int, high: int):
    for value in (low, high):
        DemoSettings(OUTPUT, **{flag: value})
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"^--{flag}: must be {low} to {high}$") as caught:
            DemoSettings(OUTPUT, **{flag: value})
        assert caught.value.field == f"--{flag}"


@pytest.mark.parametrize("target", [0.0, -0.1, 1.001, float("nan"), float("inf")])
def test_a_target_out_of_bounds(target: float):
    with pytest.raises(ConfigError, match=r"^--target: must be above 0 and at most 1$"):
        DemoSettings(OUTPUT, target=target)


@pytest.mark.parametrize("alpha", [0.0, -0.5, 2e6, float("nan"), float("inf")])
def test_an_alpha_out_of_bounds(alpha: float):
    with pytest.raises(ConfigError, match=r"^--alpha: must be above 0 and at most 1e6$"):
        DemoSettings(OUTPUT, alpha=alpha)


def test_a_negative_seed():
    DemoSettings(OUTPUT, seed=0)
    with pytest.raises(ConfigError, match=r"^--seed: must not be negative$"):
        DemoSettings(OUTPUT, seed=-1)


def test_limits_are_inside():
    DemoSettings(OUTPUT, target=1.0, alpha=1e6)
    DemoSettings(OUTPUT, target=1e-9, alpha=1e-9)


@pytest.mark.parametrize(
    ("devices", "goal", "minimum", "asked"), [(2, 2, 2, 3), (6, 3, 2, 4), (30, 15, 7, 20), (120, 60, 30, 78)]
)
def test_half_of_the_devices_train_and_all_evaluate(devices: int, goal: int, minimum: int, asked: int):
    task = DemoSettings(OUTPUT, devices=devices).task()
    assert (task.training.goal_count, task.training.minimum, task.training.asked) == (goal, minimum, asked)
    assert task.evaluation is not None
    assert (task.evaluation.goal_count, task.evaluation.asked) == (devices, devices)
    assert task.training.report_timeout == timedelta(minutes=1)


def test_the_task_follows_the_settings():
    task = DemoSettings(OUTPUT, rounds=7, target=0.5).task()
    assert task.rounds == 7
    assert task.target == TargetSpec("accuracy", 0.5, lower_is_better=False)


@pytest.mark.parametrize("devices", range(2, 121))
def test_every_number_of_devices_gives_a_task_that_is_accepted(devices: int):
    task = DemoSettings(OUTPUT, devices=devices).task()
    assert task.from_proto(task.to_proto()) == task
