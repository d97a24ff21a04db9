"""A report as the messages of its stream."""

from collections.abc import Iterator
from dataclasses import dataclass

from fieldfare.core.framing import bytes_field_head
from fieldfare.core.sessions import KeptReport
from fieldfare.protos.v1 import aggregator_pb2

_DATA = aggregator_pb2.ReportRequest.DATA_FIELD_NUMBER
DEFAULT_CHUNK_BYTES = 2**20
"""The most that the protocol allows: a message costs about as much as copying 100 kB."""
SMALL_CHUNK_BYTES = 2**16
"""For a link on which the larger ones did not come through."""


@dataclass(frozen=True, slots=True)
class ReportStream:
    """Header, payload in chunks, trailer; made anew, chunk by chunk, each time it is iterated.

    Attributes:
        report: what is sent.
        receipt_only: the header alone, as a question what became of the report.
        chunk_bytes: payload bytes in a message, at most 1 MiB.
    """

    report: KeptReport
    receipt_only: bool = False
    chunk_bytes: int = DEFAULT_CHUNK_BYTES

    @property
    def payload_bytes(self) -> int:
        """What goes out beside header and trailer."""
        return 0 if self.receipt_only else len(self.report.payload)

    def __iter__(self) -> Iterator[aggregator_pb2.ReportRequest]:
        yield self._opening()
        if self.receipt_only:
            return
        payload = self.report.payload
        for start in range(0, len(payload), self.chunk_bytes):
            yield aggregator_pb2.ReportRequest(data=payload[start : start + self.chunk_bytes])
        yield self._closing()

    def encoded(self) -> Iterator[bytes]:
        """The same messages as they go out; the payload is copied once."""
        yield self._opening().SerializeToString()
        if self.receipt_only:
            return
        payload = memoryview(self.report.payload)
        for start in range(0, len(payload), self.chunk_bytes):
            data = payload[start : start + self.chunk_bytes]
            yield b"".join((bytes_field_head(_DATA, len(data)), data))
        yield self._closing().SerializeToString()

    def size_bytes(self) -> int:
        """Bytes of all messages together, found without making those that carry the payload."""
        if self.receipt_only:
            return self._opening().ByteSize()
        whole, rest = divmod(len(self.report.payload), self.chunk_bytes)
        lengths = [self.chunk_bytes] * whole + [rest] * bool(rest)
        heads = sum(len(bytes_field_head(_DATA, length)) for length in lengths)
        return self._opening().ByteSize() + heads + len(self.report.payload) + self._closing().ByteSize()

    def _opening(self) -> aggregator_pb2.ReportRequest:
        header = self.report.header
        if self.receipt_only:
            # Only what names the report: its numbers need not travel again.
            header = aggregator_pb2.ReportHeader(ticket=header.ticket, device_id=header.device_id, receipt_only=True)
        return aggregator_pb2.ReportRequest(header=header)

    def _closing(self) -> aggregator_pb2.ReportRequest:
        return aggregator_pb2.ReportRequest(trailer=aggregator_pb2.ReportTrailer(sha256=self.report.digest))
