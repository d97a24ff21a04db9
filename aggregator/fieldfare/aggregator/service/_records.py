"""Devices and audit records as they travel, and bounds on what asks for them."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from fieldfare.aggregator.storage import AuditRecord, DeviceRecord
from fieldfare.core.errors import ConfigError
from fieldfare.protos.v1 import admin_pb2

_LONGEST_PAGE = 10_000


def page_size(limit: int, *, default: int) -> int:
    """How many rows an answer holds."""
    return min(limit or default, _LONGEST_PAGE)


def read_validity(proto: Duration) -> timedelta:
    """For how long new keys are valid.

    Raises:
        ConfigError: a duration that cannot be.
    """
    try:
        return proto.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise ConfigError("is no duration", field="valid_for") from error


def device_to_proto(record: DeviceRecord) -> admin_pb2.Device:
    """The wire form of an enrolled device."""
    proto = admin_pb2.Device(device_id=record.device_id, population=record.population)
    proto.enrolled_at.FromDatetime(record.enrolled_at)
    if record.revoked_at is not None:
        proto.revoked_at.FromDatetime(record.revoked_at)
    return proto


def audit_to_proto(record: AuditRecord) -> admin_pb2.AuditRecord:
    """The wire form of an audit record."""
    at = Timestamp()
    at.FromDatetime(record.at)
    proto = admin_pb2.AuditRecord(
        number=record.number,
        at=at,
        who=record.who,
        call=record.call,
        subject=record.subject,
        detail=record.detail,
        outcome=record.outcome,
    )
    # Safe: "from" is a word of Python's, so the field cannot be given by keyword.
    setattr(proto, "from", record.origin)
    return proto
