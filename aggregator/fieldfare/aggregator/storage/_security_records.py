"""Rows about who may call, as immutable values."""

from dataclasses import dataclass
from datetime import datetime

from fieldfare.core.access import Role


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """An enrolled device.

    Attributes:
        device_id: 16 bytes.
        population: that of the key with which it enrolled.
        public_key: Ed25519, 32 bytes.
        refreshed_micros: the time that it signed last, in microseconds since 1970 by its own clock; 0 before the first.
        revoked_at: None while it is not.
    """

    device_id: bytes
    population: str
    public_key: bytes
    enrolled_at: datetime
    refreshed_micros: int = 0
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """An administrator's credential.

    Attributes:
        salt: 16 random bytes.
        digest: of salt and secret; the secret itself is nowhere.
        revoked_at: None while it is not.
    """

    name: str
    role: Role
    salt: bytes
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One call of an administrator; the fields are described in `admin.proto`.

    Attributes:
        origin: the peer's address.
        number: given by the data base; 0 before.
    """

    at: datetime
    who: str
    origin: str
    call: str
    subject: str
    detail: str
    outcome: str
    number: int = 0
