import itertools

import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.tasks import (
    Finished,
    NextRound,
    TargetSpec,
    TaskAction,
    TaskKind,
    TaskProgress,
    TaskSpec,
    TaskState,
    apply_action,
    next_step,
)

T, E = NextRound.TRAINING, NextRound.EVALUATION
TARGET = TargetSpec("accuracy", 0.9, lower_is_better=False)


def play(spec: TaskSpec, means: list[float]) -> tuple[str, str]:
    """Commit every round that comes; the evaluations yield `means` one after the other."""
    progress, steps, accuracies = TaskProgress(), "", iter(means)
    for _ in range(100):
        step = next_step(spec, progress)
        if isinstance(step, Finished):
            return steps, step.reason
        if step is T:
            steps += "T"
            progress = TaskProgress(progress.rounds_committed + 1, progress.evaluated_version, progress.metrics)
        else:
            steps += "E"
            progress = TaskProgress(
                progress.rounds_committed, progress.rounds_committed, {"accuracy": next(accuracies), "loss": 0.5}
            )
    raise AssertionError("the task never ends")


@pytest.mark.parametrize(
    ("means", "expected", "reason"),
    [
        ([0.5, 0.6, 0.7], "EEE", "3 rounds done; target accuracy 0.9 not reached"),
        ([0.5, 0.9], "EE", "target reached: accuracy 0.9000 >= 0.9"),
    ],
)
def test_a_task_of_evaluation_evaluates_its_one_checkpoint(means, expected, reason):
    spec = TaskSpec("n", "p", rounds=3, evaluate_every=0, kind=TaskKind.EVALUATION, target=TARGET)
    progress, steps, accuracies = TaskProgress(), "", iter(means)
    while not isinstance(step := next_step(spec, progress), Finished):
        assert step is E
        steps += "E"
        progress = TaskProgress(0, 0, {"accuracy": next(accuracies)}, progress.evaluations + 1)
    assert (steps, step.reason) == (expected, reason)
    assert next_step(TaskSpec("n", "p", rounds=2, kind=TaskKind.EVALUATION), TaskProgress(0, 0, {}, 2)) == Finished(
        "2 rounds done"
    )


@pytest.mark.parametrize(
    ("rounds", "every", "expected"),
    [(1, 1, "TE"), (3, 1, "TETETE"), (3, 0, "TTT"), (5, 2, "TTETTETE"), (4, 4, "TTTTE"), (4, 3, "TTTETE")],
)
def test_sequence_without_a_target(rounds, every, expected):
    spec = TaskSpec("n", "p", rounds=rounds, evaluate_every=every)
    assert play(spec, [0.5] * 10) == (expected, f"{rounds} rounds done")


@pytest.mark.parametrize(
    ("means", "expected", "reason"),
    [
        ([0.95], "TTE", "target reached: accuracy 0.9500 >= 0.9"),
        ([0.5, 0.9], "TTETTE", "target reached: accuracy 0.9000 >= 0.9"),
        ([0.5, 0.6, 0.91], "TTETTETE", "target reached: accuracy 0.9100 >= 0.9"),
        ([0.5, 0.6, 0.7], "TTETTETE", "5 rounds done; target accuracy 0.9 not reached"),
        ([float("nan")] * 3, "TTETTETE", "5 rounds done; target accuracy 0.9 not reached"),
    ],
)
def test_sequence_with_a_target(means, expected, reason):
    assert play(TaskSpec("n", "p", rounds=5, evaluate_every=2, target=TARGET), means) == (expected, reason)


def test_a_lower_target_says_so():
    spec = TaskSpec("n", "p", target=TargetSpec("loss", 0.5, lower_is_better=True))
    step = next_step(spec, TaskProgress(1, 1, {"loss": 0.25}))
    assert step == Finished("target reached: loss 0.2500 <= 0.5")


def test_the_target_is_measured_on_the_newest_checkpoint_only():
    spec = TaskSpec("n", "p", target=TARGET)
    assert next_step(spec, TaskProgress(2, 1, {"accuracy": 0.99})) is E


def test_a_target_that_was_not_measured_is_not_reached():
    spec = TaskSpec("n", "p", target=TARGET)
    assert next_step(spec, TaskProgress(2, 2, {"loss": 0.1})) is T


def test_the_submitted_checkpoint_is_trained_first():
    assert next_step(TaskSpec("n", "p"), TaskProgress()) is T


ALLOWED = {
    ("DRAFT", "START"): "RUNNING",
    ("RUNNING", "START"): "RUNNING",
    ("DRAFT", "CANCEL"): "CANCELLED",
    ("RUNNING", "PAUSE"): "PAUSED",
    ("RUNNING", "RESUME"): "RUNNING",
    ("RUNNING", "CANCEL"): "CANCELLED",
    ("PAUSED", "PAUSE"): "PAUSED",
    ("PAUSED", "RESUME"): "RUNNING",
    ("PAUSED", "CANCEL"): "CANCELLED",
    ("CANCELLED", "CANCEL"): "CANCELLED",
}


@pytest.mark.parametrize(("state", "action"), [*itertools.product(TaskState, TaskAction)])
def test_actions_on_every_state(state, action):
    if (state.name, action.name) in ALLOWED:
        assert apply_action(state, action) is TaskState[ALLOWED[state.name, action.name]]
    else:
        words = f"a task that is {state.name.lower()} cannot take the action {action.name.lower()}"
        with pytest.raises(StateError, match=words):
            apply_action(state, action)


def test_which_states_are_final():
    assert {state.name for state in TaskState if state.ended} == {"COMPLETED", "FAILED", "CANCELLED"}
