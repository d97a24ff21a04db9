"""A report as the messages of its stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from fieldfare.core.sessions import KeptReport
from fieldfare.protos.v1 import aggregator_pb2

DEFAULT_CHUNK_BYTES = 512 * 1024
"""Between 256 KiB, below which messages cost more than they carry, and the protocol's 1 MiB."""


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

    def __iter__(self) -> Iterator[aggregator_pb2.ReportRequest]:
        if self.receipt_only:
            # Only what names the report: its numbers need not travel again.
            header = aggregator_pb2.ReportHeader(
                ticket=self.report.header.ticket, device_id=self.report.header.device_id, receipt_only=True
            )
            yield aggregator_pb2.ReportRequest(header=header)
            return
        yield aggregator_pb2.ReportRequest(header=self.report.header)
        payload = self.report.payload
        for start in range(0, len(payload), self.chunk_bytes):
            yield aggregator_pb2.ReportRequest(data=payload[start : start + self.chunk_bytes])
        trailer = aggregator_pb2.ReportTrailer(sha256=hashlib.sha256(payload).digest())
        yield aggregator_pb2.ReportRequest(trailer=trailer)
