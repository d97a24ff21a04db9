"""What an engineer may ask for (`TaskSpec`), the states of a task, and what it does next."""

from fieldfare.core.tasks._config import task_spec_from_mapping
from fieldfare.core.tasks._progress import Finished, NextRound, TaskProgress, next_step
from fieldfare.core.tasks._spec import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
    LocalTrainingSpec,
    TargetSpec,
    TaskSpec,
    Weighting,
)
from fieldfare.core.tasks._states import TaskAction, TaskState, apply_action

__all__ = [
    "AggregationSpec",
    "Algorithm",
    "CohortSpec",
    "Finished",
    "LocalTrainingSpec",
    "NextRound",
    "TargetSpec",
    "TaskAction",
    "TaskProgress",
    "TaskSpec",
    "TaskState",
    "Weighting",
    "apply_action",
    "next_step",
    "task_spec_from_mapping",
]
