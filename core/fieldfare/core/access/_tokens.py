"""Access tokens: who a device is, sealed by the aggregator, so that every replica knows it without asking.

    version (1), device id (16), expiry in microseconds since 1970 (8), population (UTF-8), HMAC-SHA256 (32)

in base64url without padding.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fieldfare.core.errors import AuthenticationError

_HEAD = struct.Struct("<B16sQ")
_VERSION = 1
_MAC_BYTES = 32
_LONGEST = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGAIN = "ask for a new one with RefreshToken"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a token says.

    Attributes:
        device_id: 16 bytes.
        population: the device's.
        expires_at: timezone-aware, to the microsecond.
    """

    device_id: bytes
    population: str
    expires_at: datetime


def seal_access_token(key: bytes, claims: AccessClaims) -> str:
    """The text that the device carries; opaque to it."""
    micros = (claims.expires_at - _EPOCH) // timedelta(microseconds=1)
    body = _HEAD.pack(_VERSION, claims.device_id, micros) + claims.population.encode()
    sealed = body + hmac.digest(key, body, hashlib.sha256)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def open_access_token(key: bytes, token: str, now: datetime) -> AccessClaims:
    """Check the seal and the time, and read the claims.

    Raises:
        AuthenticationError: forged, damaged, sealed with another key, or expired.
    """
    body = _unsealed(key, token)
    version, device_id, micros = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise AuthenticationError(f"the access token has version {version}, not {_VERSION}: {_AGAIN}")
    claims = AccessClaims(device_id, body[_HEAD.size :].decode(), _EPOCH + timedelta(microseconds=micros))
    if claims.expires_at <= now:
        raise AuthenticationError(f"the access token has expired: {_AGAIN}")
    return claims


def _unsealed(key: bytes, token: str) -> bytes:
    text = token if len(token) <= _LONGEST else ""
    try:
        sealed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise AuthenticationError(f"this is no access token: {_AGAIN}") from error
    body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
    if len(body) < _HEAD.size or not hmac.compare_digest(mac, hmac.digest(key, body, hashlib.sha256)):
        raise AuthenticationError(f"the access token is not one of this aggregator's: {_AGAIN}")
    return body
