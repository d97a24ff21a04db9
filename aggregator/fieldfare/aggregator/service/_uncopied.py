"""Messages that carry model bytes pass without protobuf's copies; on the wire nothing differs."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import grpc

from fieldfare.aggregator.interceptors import WrappingInterceptor
from fieldfare.core.framing import bytes_field_head, sole_bytes_field
from fieldfare.protos.v1 import aggregator_pb2

_DATA = aggregator_pb2.ReportRequest.DATA_FIELD_NUMBER
_CHUNK_DATA = aggregator_pb2.ArtifactChunk.DATA_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class DataPart:
    """A `ReportRequest` that holds data, with the parts of its interface that readers use.

    Attributes:
        data: a view of the message as it came.
    """

    data: memoryview

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """As of the message."""
        return "data"

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        """As of the message."""
        return name == "data"


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """An `ArtifactChunk` as it goes out.

    Attributes:
        message: serialised.
        nbytes: how much of the artifact is in it.
    """

    message: bytes
    nbytes: int


def read_report_request(message: bytes) -> aggregator_pb2.ReportRequest | DataPart:
    """A part of a report.

    Raises:
        DecodeError: it is none.
    """
    data = sole_bytes_field(_DATA, message)
    return aggregator_pb2.ReportRequest.FromString(message) if data is None else DataPart(data)


def encode_chunk(offset: int, data: bytes) -> EncodedChunk:
    """The message with this piece of an artifact."""
    position = aggregator_pb2.ArtifactChunk(offset=offset).SerializeToString()
    return EncodedChunk(b"".join((position, bytes_field_head(_CHUNK_DATA, len(data)), data)), len(data))


class RecentChunks:
    """The chunks that were sent last: the devices of a round fetch the same checkpoint at about the same time.

    For the event loop's thread alone.

    Args:
        limit_bytes: how much of artifacts is kept.
    """

    def __init__(self, limit_bytes: int = 16 * 2**20) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[tuple[bytes, int], EncodedChunk] = OrderedDict()
        self._nbytes = 0

    def get(self, digest: bytes, offset: int) -> EncodedChunk | None:
        """The chunk of an artifact at an offset, if it is kept."""
        if (found := self._kept.get((digest, offset))) is not None:
            self._kept.move_to_end((digest, offset))
        return found

    def keep(self, digest: bytes, offset: int, chunk: EncodedChunk) -> None:
        """Keep a chunk, and forget those that were not asked for for the longest time."""
        if (before := self._kept.pop((digest, offset), None)) is not None:
            self._nbytes -= before.nbytes
        self._kept[digest, offset] = chunk
        self._nbytes += chunk.nbytes
        while self._nbytes > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._nbytes -= oldest.nbytes


class Uncopied(WrappingInterceptor):
    """Gives the calls that carry model bytes their readers and writers; the last interceptor of a server."""

    def wrap(self, method: str, handler: Any) -> Any:
        """The handler, or the same with another reader or writer."""
        if method.endswith(".Aggregator/Report"):
            return grpc.stream_unary_rpc_method_handler(
                handler.stream_unary, read_report_request, handler.response_serializer
            )
        if method.endswith("/FetchArtifact"):
            return grpc.unary_stream_rpc_method_handler(handler.unary_stream, handler.request_deserializer, _message)
        return handler


def _message(chunk: EncodedChunk) -> bytes:
    return chunk.message
