from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(_message.Message):
    __slots__ = ("stages",)
    STAGES_FIELD_NUMBER: _ClassVar[int]
    stages: _containers.RepeatedCompositeFieldContainer[EncodingStage]
    def __init__(self, stages: _Optional[_Iterable[_Union[EncodingStage, _Mapping]]] = ...) -> None: ...

class EncodingStage(_message.Message):
    __slots__ = ("float32", "float16")
    FLOAT32_FIELD_NUMBER: _ClassVar[int]
    FLOAT16_FIELD_NUMBER: _ClassVar[int]
    float32: Float32Stage
    float16: Float16Stage
    def __init__(self, float32: _Optional[_Union[Float32Stage, _Mapping]] = ..., float16: _Optional[_Union[Float16Stage, _Mapping]] = ...) -> None: ...

class Float32Stage(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Float16Stage(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
