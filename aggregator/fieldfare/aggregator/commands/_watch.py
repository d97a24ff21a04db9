"""Follow a task until it has ended."""

import time

from fieldfare.aggregator.admin import AdminClient
from fieldfare.aggregator.commands._text import enum_text, metrics_text, size_text
from fieldfare.core.command import Console
from fieldfare.protos.v1 import task_pb2

_INTERVAL_S = 0.5
_ENDED = {task_pb2.TASK_STATE_COMPLETED, task_pb2.TASK_STATE_FAILED, task_pb2.TASK_STATE_CANCELLED}
_OVER = {task_pb2.ROUND_STATE_COMMITTED, task_pb2.ROUND_STATE_ABANDONED}


def watch(client: AdminClient, task: str, console: Console) -> int:
    """Say one line for each round that ends; the exit status is 0 only for a completed task."""
    seen = 0
    while True:
        status = client.show(task, seen)
        for one in status.rounds:
            if one.state not in _OVER:
                break
            console.say(_line(one))
            seen = one.number
        if status.state in _ENDED:
            state = enum_text(task_pb2.TaskState, status.state, "TASK_STATE_")
            console.say(f"{status.spec.name} {state}: {status.reason}; checkpoint version {status.checkpoint_version}")
            return 0 if status.state == task_pb2.TASK_STATE_COMPLETED else 1
        time.sleep(_INTERVAL_S)


def _line(one: task_pb2.RoundStatus) -> str:
    kind = enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_")
    state = enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_")
    tail = one.reason or f"{metrics_text(one.metrics)}  up {size_text(one.bytes_up)} down {size_text(one.bytes_down)}"
    return f"round {one.number:>3} {kind:<10} {state:<9} devices {one.reported}/{one.assigned}  {tail}"
