"""What a call of administration is about, in words for the audit log."""

from google.protobuf.message import Message

from fieldfare.protos.v1 import admin_pb2, aggregator_pb2, task_pb2

CHANGES = frozenset({"SubmitTask", "ControlTask", "CreateEnrollmentKeys", "RevokeDevice"})
"""Calls that change something."""


def about(message: Message | None) -> tuple[str, str]:
    """Subject and details of a request; the subject of an answer. Both are empty where a message tells of nothing."""
    subject = detail = ""
    match message:
        case admin_pb2.SubmitTaskRequest():
            spec = message.header.spec
            detail = f"submit {spec.name!r} for population {spec.population!r}"
        case admin_pb2.ControlTaskRequest():
            subject, detail = message.task, _action(message.action)
        case admin_pb2.CreateEnrollmentKeysRequest():
            subject, detail = message.population, f"{message.count} keys, valid for {message.valid_for.seconds} s"
        case admin_pb2.RevokeDeviceRequest():
            subject = message.device_id.hex()
        case admin_pb2.ListDevicesRequest() | admin_pb2.ListTasksRequest():
            subject = message.population
        case admin_pb2.GetTaskRequest():
            subject = message.task
        case aggregator_pb2.FetchArtifactRequest():
            subject = message.sha256.hex()
        case task_pb2.TaskStatus():
            subject = message.task_id
    return subject, detail


def _action(code: int) -> str:
    known = code in task_pb2.TaskAction.values()
    return task_pb2.TaskAction.Name(code).removeprefix("TASK_ACTION_").lower() if known else str(code)
