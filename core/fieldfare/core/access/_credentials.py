"""Credentials of administrators: a name, a role, and a secret of which a salted digest is stored."""

import base64
import hashlib
import re
from enum import IntEnum

from fieldfare.core.errors import ConfigError

SECRET_BYTES = 32
SALT_BYTES = 16
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_PREFIX = "ffa"
_PARTS = 3


class Role(IntEnum):
    """What an administrator may do; each role includes those before it."""

    VIEWER = 1
    """Reads tasks and artifacts."""
    OPERATOR = 2
    """Submits tasks and acts on them."""
    ADMIN = 3
    """Devices, enrolment keys, the audit log."""


def check_credential_name(name: str) -> None:
    """Refuse a name that cannot be part of a token.

    Raises:
        ConfigError: not 1 to 32 characters of letters, digits, "_" and "-".
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!r} is no name: 1 to 32 characters of letters, digits, '_' and '-'", field="name")


def credential_token(name: str, secret: bytes) -> str:
    """The text that an administrator keeps: "ffa.NAME.SECRET"."""
    return f"{_PREFIX}.{name}.{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}"


def split_credential(token: str) -> tuple[str, str] | None:
    """Name and secret of a token; None where it is none."""
    parts = token.split(".")
    if len(parts) != _PARTS or parts[0] != _PREFIX or _NAME.fullmatch(parts[1]) is None:
        return None
    return parts[1], parts[2]


def secret_digest(salt: bytes, secret: str) -> bytes:
    """What is stored of a secret. Safe without stretching: a secret has 256 random bits."""
    return hashlib.sha256(b"fieldfare admin v1\0" + salt + secret.encode()).digest()
