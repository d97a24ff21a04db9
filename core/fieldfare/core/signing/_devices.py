"""What a device signs. `aggregator.proto` fixes these bytes."""

_ENROLL = b"fieldfare enroll v1\0"
_REFRESH = b"fieldfare refresh v1\0"


def enrollment_message(device_id: bytes, key: str) -> bytes:
    """What `EnrollRequest.signature` signs: the label, the id, the one-time key."""
    return _ENROLL + device_id + key.encode()


def refresh_message(device_id: bytes, time_micros: int) -> bytes:
    """What `RefreshTokenRequest.signature` signs: the label, the id, the time as 8 little-endian bytes."""
    return _REFRESH + device_id + time_micros.to_bytes(8, "little")
