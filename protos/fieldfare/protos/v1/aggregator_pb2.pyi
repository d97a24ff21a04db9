from fieldfare.protos.v1 import encoding_pb2 as _encoding_pb2
from fieldfare.protos.v1 import task_pb2 as _task_pb2
from fieldfare.protos.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_DONE: _ClassVar[Outcome]
    OUTCOME_TOO_FEW_EXAMPLES: _ClassVar[Outcome]
    OUTCOME_CONDITIONS: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]

class ReceiptStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEIPT_STATUS_UNSPECIFIED: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_ACCEPTED: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_PENDING: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_DUPLICATE: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_LATE: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_INVALID: _ClassVar[ReceiptStatus]
    RECEIPT_STATUS_UNKNOWN: _ClassVar[ReceiptStatus]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_DONE: Outcome
OUTCOME_TOO_FEW_EXAMPLES: Outcome
OUTCOME_CONDITIONS: Outcome
OUTCOME_FAILED: Outcome
RECEIPT_STATUS_UNSPECIFIED: ReceiptStatus
RECEIPT_STATUS_ACCEPTED: ReceiptStatus
RECEIPT_STATUS_PENDING: ReceiptStatus
RECEIPT_STATUS_DUPLICATE: ReceiptStatus
RECEIPT_STATUS_LATE: ReceiptStatus
RECEIPT_STATUS_INVALID: ReceiptStatus
RECEIPT_STATUS_UNKNOWN: ReceiptStatus

class EnrollRequest(_message.Message):
    __slots__ = ("key", "device_id", "public_key", "signature")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    key: str
    device_id: bytes
    public_key: bytes
    signature: bytes
    def __init__(self, key: _Optional[str] = ..., device_id: _Optional[bytes] = ..., public_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RefreshTokenRequest(_message.Message):
    __slots__ = ("device_id", "time_micros", "signature")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    device_id: bytes
    time_micros: int
    signature: bytes
    def __init__(self, device_id: _Optional[bytes] = ..., time_micros: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class AccessToken(_message.Message):
    __slots__ = ("token", "expires_in", "population", "server_time_micros")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_in: _duration_pb2.Duration
    population: str
    server_time_micros: int
    def __init__(self, token: _Optional[str] = ..., expires_in: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., population: _Optional[str] = ..., server_time_micros: _Optional[int] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("protocol_version", "sdk", "runtime", "memory_bytes", "encoding_stages", "algorithms")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SDK_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENCODING_STAGES_FIELD_NUMBER: _ClassVar[int]
    ALGORITHMS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    sdk: str
    runtime: str
    memory_bytes: int
    encoding_stages: _containers.RepeatedScalarFieldContainer[str]
    algorithms: _containers.RepeatedScalarFieldContainer[_task_pb2.Algorithm]
    def __init__(self, protocol_version: _Optional[int] = ..., sdk: _Optional[str] = ..., runtime: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., encoding_stages: _Optional[_Iterable[str]] = ..., algorithms: _Optional[_Iterable[_Union[_task_pb2.Algorithm, str]]] = ...) -> None: ...

class CheckInRequest(_message.Message):
    __slots__ = ("population", "device_id", "capabilities", "wait")
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    population: str
    device_id: bytes
    capabilities: Capabilities
    wait: _duration_pb2.Duration
    def __init__(self, population: _Optional[str] = ..., device_id: _Optional[bytes] = ..., capabilities: _Optional[_Union[Capabilities, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CheckInResponse(_message.Message):
    __slots__ = ("assignment", "come_back")
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    COME_BACK_FIELD_NUMBER: _ClassVar[int]
    assignment: Assignment
    come_back: ComeBack
    def __init__(self, assignment: _Optional[_Union[Assignment, _Mapping]] = ..., come_back: _Optional[_Union[ComeBack, _Mapping]] = ...) -> None: ...

class ComeBack(_message.Message):
    __slots__ = ("after", "reason")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    after: _duration_pb2.Duration
    reason: str
    def __init__(self, after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("ticket", "task_id", "round_number", "kind", "plan", "checkpoint_version", "checkpoint", "local", "algorithm", "encoding", "report_within", "max_abs_value", "control", "plan_signatures", "max_norm")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    REPORT_WITHIN_FIELD_NUMBER: _ClassVar[int]
    MAX_ABS_VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    PLAN_SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    MAX_NORM_FIELD_NUMBER: _ClassVar[int]
    ticket: bytes
    task_id: str
    round_number: int
    kind: _task_pb2.RoundKind
    plan: _tensors_pb2.ArtifactRef
    checkpoint_version: int
    checkpoint: _tensors_pb2.ArtifactRef
    local: _task_pb2.LocalTrainingSpec
    algorithm: _task_pb2.Algorithm
    encoding: _encoding_pb2.Encoding
    report_within: _duration_pb2.Duration
    max_abs_value: float
    control: _tensors_pb2.ArtifactRef
    plan_signatures: _containers.RepeatedCompositeFieldContainer[PlanSignature]
    max_norm: float
    def __init__(self, ticket: _Optional[bytes] = ..., task_id: _Optional[str] = ..., round_number: _Optional[int] = ..., kind: _Optional[_Union[_task_pb2.RoundKind, str]] = ..., plan: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., checkpoint_version: _Optional[int] = ..., checkpoint: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., local: _Optional[_Union[_task_pb2.LocalTrainingSpec, _Mapping]] = ..., algorithm: _Optional[_Union[_task_pb2.Algorithm, str]] = ..., encoding: _Optional[_Union[_encoding_pb2.Encoding, _Mapping]] = ..., report_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_abs_value: _Optional[float] = ..., control: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., plan_signatures: _Optional[_Iterable[_Union[PlanSignature, _Mapping]]] = ..., max_norm: _Optional[float] = ...) -> None: ...

class PlanSignature(_message.Message):
    __slots__ = ("public_key", "signature")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    signature: bytes
    def __init__(self, public_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class FetchArtifactRequest(_message.Message):
    __slots__ = ("sha256", "offset", "ticket")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    offset: int
    ticket: bytes
    def __init__(self, sha256: _Optional[bytes] = ..., offset: _Optional[int] = ..., ticket: _Optional[bytes] = ...) -> None: ...

class ArtifactChunk(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("header", "data", "trailer")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TRAILER_FIELD_NUMBER: _ClassVar[int]
    header: ReportHeader
    data: bytes
    trailer: ReportTrailer
    def __init__(self, header: _Optional[_Union[ReportHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., trailer: _Optional[_Union[ReportTrailer, _Mapping]] = ...) -> None: ...

class ReportHeader(_message.Message):
    __slots__ = ("ticket", "device_id", "receipt_only", "outcome", "example_count", "metrics", "tensors", "encoding", "payload_bytes")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_ONLY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    ticket: bytes
    device_id: bytes
    receipt_only: bool
    outcome: Outcome
    example_count: int
    metrics: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.MetricSum]
    tensors: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.TensorSpec]
    encoding: _encoding_pb2.Encoding
    payload_bytes: int
    def __init__(self, ticket: _Optional[bytes] = ..., device_id: _Optional[bytes] = ..., receipt_only: bool = ..., outcome: _Optional[_Union[Outcome, str]] = ..., example_count: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[_tensors_pb2.MetricSum, _Mapping]]] = ..., tensors: _Optional[_Iterable[_Union[_tensors_pb2.TensorSpec, _Mapping]]] = ..., encoding: _Optional[_Union[_encoding_pb2.Encoding, _Mapping]] = ..., payload_bytes: _Optional[int] = ...) -> None: ...

class ReportTrailer(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("status", "detail", "come_back_after", "reason")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    COME_BACK_AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    status: ReceiptStatus
    detail: str
    come_back_after: _duration_pb2.Duration
    reason: str
    def __init__(self, status: _Optional[_Union[ReceiptStatus, str]] = ..., detail: _Optional[str] = ..., come_back_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...
