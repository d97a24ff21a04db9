"""The call that is being served: ids for the log, without secrets."""

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass

_HASH_BYTES = 6


@dataclass(slots=True)
class Call:
    """One call of a peer.

    Attributes:
        id: made here; the same in every record of this call.
        method: such as "CheckIn".
        trace: the OpenTelemetry trace id in hex; empty where the call is not traced.
        device: keyed hash of the device's id; empty until it is known.
    """

    id: str
    method: str
    trace: str = ""
    device: str = ""


CURRENT: ContextVar[Call | None] = ContextVar("fieldfare_call", default=None)
"""The call in whose service the present code runs; None where there is none."""


def note_device(key: bytes, device_id: bytes) -> None:
    """The present call is this device's. The log gets a hash under the key, so that nobody can look an id up by it.

    Args:
        key: secret, the same for all replicas and after a restart, so that a device can be followed.
        device_id: as the device sent it.
    """
    if (call := CURRENT.get()) is not None:
        hashed = hashlib.blake2b(device_id, key=key[:64], digest_size=_HASH_BYTES, person=b"log device id")
        call.device = hashed.hexdigest()
