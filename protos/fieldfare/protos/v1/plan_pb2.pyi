from fieldfare.protos.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WeightRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHT_ROLE_UNSPECIFIED: _ClassVar[WeightRole]
    WEIGHT_ROLE_TRAINED: _ClassVar[WeightRole]
    WEIGHT_ROLE_STATISTIC: _ClassVar[WeightRole]
WEIGHT_ROLE_UNSPECIFIED: WeightRole
WEIGHT_ROLE_TRAINED: WeightRole
WEIGHT_ROLE_STATISTIC: WeightRole

class PlanManifest(_message.Message):
    __slots__ = ("format_version", "name", "batch_size", "inputs", "targets", "outputs", "weights", "loss", "metrics", "optimizer", "has_gradients", "tried_on", "made_with", "notes", "loss_weight_key", "state", "trainable", "frozen_sha256", "frozen_int8", "training_memory_bytes")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    HAS_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    TRIED_ON_FIELD_NUMBER: _ClassVar[int]
    MADE_WITH_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    LOSS_WEIGHT_KEY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRAINABLE_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    FROZEN_INT8_FIELD_NUMBER: _ClassVar[int]
    TRAINING_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    name: str
    batch_size: int
    inputs: _containers.RepeatedCompositeFieldContainer[PlanTensor]
    targets: _containers.RepeatedCompositeFieldContainer[PlanTensor]
    outputs: _containers.RepeatedCompositeFieldContainer[PlanTensor]
    weights: _containers.RepeatedCompositeFieldContainer[PlanTensor]
    loss: str
    metrics: _containers.RepeatedCompositeFieldContainer[PlanMetric]
    optimizer: LocalOptimizer
    has_gradients: bool
    tried_on: _containers.RepeatedScalarFieldContainer[str]
    made_with: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    loss_weight_key: str
    state: _containers.RepeatedCompositeFieldContainer[PlanTensor]
    trainable: _containers.RepeatedScalarFieldContainer[str]
    frozen_sha256: bytes
    frozen_int8: bool
    training_memory_bytes: int
    def __init__(self, format_version: _Optional[int] = ..., name: _Optional[str] = ..., batch_size: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[PlanTensor, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[PlanTensor, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[PlanTensor, _Mapping]]] = ..., weights: _Optional[_Iterable[_Union[PlanTensor, _Mapping]]] = ..., loss: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[PlanMetric, _Mapping]]] = ..., optimizer: _Optional[_Union[LocalOptimizer, _Mapping]] = ..., has_gradients: bool = ..., tried_on: _Optional[_Iterable[str]] = ..., made_with: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ..., loss_weight_key: _Optional[str] = ..., state: _Optional[_Iterable[_Union[PlanTensor, _Mapping]]] = ..., trainable: _Optional[_Iterable[str]] = ..., frozen_sha256: _Optional[bytes] = ..., frozen_int8: bool = ..., training_memory_bytes: _Optional[int] = ...) -> None: ...

class PlanTensor(_message.Message):
    __slots__ = ("spec", "key", "role")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    spec: _tensors_pb2.TensorSpec
    key: str
    role: WeightRole
    def __init__(self, spec: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., key: _Optional[str] = ..., role: _Optional[_Union[WeightRole, str]] = ...) -> None: ...

class PlanMetric(_message.Message):
    __slots__ = ("name", "key", "weight_key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    weight_key: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., weight_key: _Optional[str] = ...) -> None: ...

class LocalOptimizer(_message.Message):
    __slots__ = ("name", "learning_rate")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    learning_rate: float
    def __init__(self, name: _Optional[str] = ..., learning_rate: _Optional[float] = ...) -> None: ...
