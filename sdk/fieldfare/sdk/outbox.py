"""The one report that waits for its receipt, on disk."""

import hashlib
import logging
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.message import DecodeError

from fieldfare.core.errors import StorageError
from fieldfare.core.files import OWNER_ONLY, remove_durably, write_atomically
from fieldfare.core.sessions import KeptReport
from fieldfare.protos.v1 import aggregator_pb2

__all__ = ["Outbox"]

_LOG = logging.getLogger("fieldfare.sdk")
_MAGIC = b"FFOUTBX3"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = struct.Struct("<8s32s")
_LENGTHS = struct.Struct("<IIIQq")


class Outbox:
    """A file that is there from `keep` to `forget`; for one process at a time.

    Args:
        path: the file; its folder must be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_empty(self) -> bool:
        """Whether no report is kept. Does not read it."""
        return not self._path.exists()

    def keep(self, report: KeptReport) -> None:
        """Bring the report to the disk, in the place of any other.

        Raises:
            StorageError: the file cannot be written. Then the report MUST NOT be sent.
        """
        header, task = report.header.SerializeToString(deterministic=True), report.task_id.encode()
        report_by = (report.report_by - _EPOCH) // timedelta(microseconds=1)
        lengths = _LENGTHS.pack(len(header), len(task), report.round_number, len(report.payload), report_by)
        front = b"".join((lengths, header, task))
        head = _HEAD.pack(_MAGIC, _seal(front, report))
        write_atomically(self._path, (head, front, report.payload), mode=OWNER_ONLY)

    def read(self) -> KeptReport | None:
        """The report that is kept, if any.

        A damaged file is removed with a warning: to the aggregator the device then has not reported.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the kept report {self._path} cannot be read: {error.strerror}") from error
        try:
            return _parse(data)
        except (ValueError, OverflowError, struct.error, DecodeError):
            _LOG.warning("the kept report %s is damaged; it is dropped", self._path)
            self.forget()
            return None

    def forget(self) -> None:
        """Remove the report, if there is one.

        Raises:
            StorageError: the folder cannot be written.
        """
        remove_durably(self._path)


def _parse(data: bytes) -> KeptReport:
    magic, seal = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("damaged")
    header_bytes, task_bytes, round_number, payload_bytes, report_by = _LENGTHS.unpack_from(data, _HEAD.size)
    pieces: list[bytes] = []
    start = _HEAD.size + _LENGTHS.size
    for length in (header_bytes, task_bytes, payload_bytes):
        pieces.append(data[start : start + length])
        start += length
    if start != len(data):
        raise ValueError("damaged")
    header = aggregator_pb2.ReportHeader.FromString(pieces[0])
    report = KeptReport(header, pieces[2], pieces[1].decode(), round_number, _EPOCH + timedelta(microseconds=report_by))
    if _seal(data[_HEAD.size : len(data) - payload_bytes], report) != seal:
        raise ValueError("damaged")
    return report


def _seal(front: bytes, report: KeptReport) -> bytes:
    """Over everything in the file: the payload, which may be large, by the digest that it has already."""
    return hashlib.sha256(front + report.digest).digest()
