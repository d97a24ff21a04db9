"""The states of a task and the actions that people may take on it."""

from enum import Enum

from fieldfare.core.errors import StateError
from fieldfare.protos.v1 import task_pb2


class TaskState(Enum):
    """Where a task stands."""

    DRAFT = task_pb2.TASK_STATE_DRAFT
    RUNNING = task_pb2.TASK_STATE_RUNNING
    PAUSED = task_pb2.TASK_STATE_PAUSED
    COMPLETED = task_pb2.TASK_STATE_COMPLETED
    FAILED = task_pb2.TASK_STATE_FAILED
    CANCELLED = task_pb2.TASK_STATE_CANCELLED

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}


class TaskAction(Enum):
    """What a person may ask of a task."""

    PAUSE = task_pb2.TASK_ACTION_PAUSE
    RESUME = task_pb2.TASK_ACTION_RESUME
    CANCEL = task_pb2.TASK_ACTION_CANCEL
    START = task_pb2.TASK_ACTION_START


_TRANSITIONS = {
    (TaskState.RUNNING, TaskAction.PAUSE): TaskState.PAUSED,
    (TaskState.PAUSED, TaskAction.PAUSE): TaskState.PAUSED,
    (TaskState.RUNNING, TaskAction.RESUME): TaskState.RUNNING,
    (TaskState.PAUSED, TaskAction.RESUME): TaskState.RUNNING,
    (TaskState.DRAFT, TaskAction.START): TaskState.RUNNING,
    (TaskState.RUNNING, TaskAction.START): TaskState.RUNNING,
    (TaskState.DRAFT, TaskAction.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskAction.CANCEL): TaskState.CANCELLED,
    (TaskState.PAUSED, TaskAction.CANCEL): TaskState.CANCELLED,
    (TaskState.CANCELLED, TaskAction.CANCEL): TaskState.CANCELLED,
}


def apply_action(state: TaskState, action: TaskAction) -> TaskState:
    """The state after the action; asking twice for the same is no error.

    Raises:
        StateError: the action is not possible in this state.
    """
    if (state, action) not in _TRANSITIONS:
        raise StateError(f"a task that is {state.name.lower()} cannot take the action {action.name.lower()}")
    return _TRANSITIONS[state, action]
