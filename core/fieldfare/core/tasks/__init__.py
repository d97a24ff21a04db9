"""What an engineer may ask for (`TaskSpec`), the states of a task, and what it does next."""

from fieldfare.core.tasks._aggregation import (
    DEVICE_ALGORITHMS,
    AggregationSpec,
    Algorithm,
    AsynchronousSpec,
    Combiner,
    Weighting,
)
from fieldfare.core.tasks._cohort import CohortSpec
from fieldfare.core.tasks._combinations import STALENESS_BITS
from fieldfare.core.tasks._config import task_spec_from_mapping
from fieldfare.core.tasks._eligibility import EligibilitySpec, unfit
from fieldfare.core.tasks._local import Interruption, LocalTrainingSpec
from fieldfare.core.tasks._progress import Finished, NextRound, TaskProgress, next_step
from fieldfare.core.tasks._spec import TargetSpec, TaskKind, TaskSpec, is_name, lower_is_better
from fieldfare.core.tasks._states import TaskAction, TaskState, apply_action

__all__ = [
    "DEVICE_ALGORITHMS",
    "STALENESS_BITS",
    "AggregationSpec",
    "Algorithm",
    "AsynchronousSpec",
    "CohortSpec",
    "Combiner",
    "EligibilitySpec",
    "Finished",
    "Interruption",
    "LocalTrainingSpec",
    "NextRound",
    "TargetSpec",
    "TaskAction",
    "TaskKind",
    "TaskProgress",
    "TaskSpec",
    "TaskState",
    "Weighting",
    "apply_action",
    "is_name",
    "lower_is_better",
    "next_step",
    "task_spec_from_mapping",
    "unfit",
]
