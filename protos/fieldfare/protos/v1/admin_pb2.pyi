from fieldfare.protos.v1 import aggregator_pb2 as _aggregator_pb2
from fieldfare.protos.v1 import task_pb2 as _task_pb2
from fieldfare.protos.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
    __slots__ = ("spec", "plan", "checkpoint", "plan_signatures")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PLAN_SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    spec: _task_pb2.TaskSpec
    plan: _tensors_pb2.ArtifactRef
    checkpoint: _tensors_pb2.ArtifactRef
    plan_signatures: _containers.RepeatedCompositeFieldContainer[_aggregator_pb2.PlanSignature]
    def __init__(self, spec: _Optional[_Union[_task_pb2.TaskSpec, _Mapping]] = ..., plan: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., checkpoint: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., plan_signatures: _Optional[_Iterable[_Union[_aggregator_pb2.PlanSignature, _Mapping]]] = ...) -> None: ...

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

class CreateEnrollmentKeysRequest(_message.Message):
    __slots__ = ("population", "count", "valid_for")
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALID_FOR_FIELD_NUMBER: _ClassVar[int]
    population: str
    count: int
    valid_for: _duration_pb2.Duration
    def __init__(self, population: _Optional[str] = ..., count: _Optional[int] = ..., valid_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CreateEnrollmentKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class ListDevicesRequest(_message.Message):
    __slots__ = ("population", "after", "limit")
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    population: str
    after: bytes
    limit: int
    def __init__(self, population: _Optional[str] = ..., after: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ListDevicesResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device_id", "population", "enrolled_at", "revoked_at")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    device_id: bytes
    population: str
    enrolled_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    def __init__(self, device_id: _Optional[bytes] = ..., population: _Optional[str] = ..., enrolled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RevokeDeviceRequest(_message.Message):
    __slots__ = ("device_id",)
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    device_id: bytes
    def __init__(self, device_id: _Optional[bytes] = ...) -> None: ...

class ListAuditRecordsRequest(_message.Message):
    __slots__ = ("before", "limit")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    before: int
    limit: int
    def __init__(self, before: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListAuditRecordsResponse(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("number", "at", "who", "call", "subject", "detail", "outcome")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    who: str
    call: str
    subject: str
    detail: str
    outcome: str
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., who: _Optional[str] = ..., call: _Optional[str] = ..., subject: _Optional[str] = ..., detail: _Optional[str] = ..., outcome: _Optional[str] = ..., **kwargs) -> None: ...
