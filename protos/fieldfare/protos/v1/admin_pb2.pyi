from fieldfare.protos.v1 import aggregator_pb2 as _aggregator_pb2
from fieldfare.protos.v1 import task_pb2 as _task_pb2
from fieldfare.protos.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitTaskRequest(_message.Message):
    __slots__ = ("header", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: SubmitTaskHeader
    data: bytes
    def __init__(self, header: _Optional[_Union[SubmitTaskHeader, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class SubmitTaskHeader(_message.Message):
    __slots__ = ("spec", "plan", "checkpoint")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    spec: _task_pb2.TaskSpec
    plan: _tensors_pb2.ArtifactRef
    checkpoint: _tensors_pb2.ArtifactRef
    def __init__(self, spec: _Optional[_Union[_task_pb2.TaskSpec, _Mapping]] = ..., plan: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., checkpoint: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("population",)
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    population: str
    def __init__(self, population: _Optional[str] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskStatus]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.TaskStatus, _Mapping]]] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    __slots__ = ("task", "rounds_after")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_AFTER_FIELD_NUMBER: _ClassVar[int]
    task: str
    rounds_after: int
    def __init__(self, task: _Optional[str] = ..., rounds_after: _Optional[int] = ...) -> None: ...

class ControlTaskRequest(_message.Message):
    __slots__ = ("task", "action")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    task: str
    action: _task_pb2.TaskAction
    def __init__(self, task: _Optional[str] = ..., action: _Optional[_Union[_task_pb2.TaskAction, str]] = ...) -> None: ...
