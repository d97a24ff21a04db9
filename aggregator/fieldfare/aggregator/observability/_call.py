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
        device_id: as the device sent it; empty until it is known. Never written.
        key: secret, the same for all replicas and after a restart, so that a device can be followed.
    """

    id: str
    method: str
    trace: str = ""
    device_id: bytes = b""
    key: bytes = b""

    @property
    def device(self) -> str:
        """Hash of the device's id under the key, so that nobody can look an id up by it; empty until it is known."""
        if not self.device_id:
            return ""
        hashed = hashlib.blake2b(self.device_id, key=self.key, digest_size=_HASH_BYTES, person=b"log device id")
        return hashed.hexdigest()


CURRENT: ContextVar[Call | None] = ContextVar("fieldfare_call", default=None)
"""The call in whose service the present code runs; None where there is none."""
