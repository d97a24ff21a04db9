"""One-time keys with which devices enrol, and keys that are derived from another."""

import base64
import hashlib
import hmac

ONE_TIME_KEY_BYTES = 20
_PREFIX = "ffk-"
_GROUP = 8


def one_time_key(random_bytes: bytes) -> str:
    """The text of a key made of 20 random bytes: "ffk-" and four groups of eight characters, easy to read aloud."""
    text = base64.b32encode(random_bytes).decode().lower()
    return _PREFIX + "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def key_digest(key: str) -> bytes:
    """What is stored of a key. Safe without salt or stretching: a key has 160 random bits."""
    return hashlib.sha256(b"fieldfare enrollment key v1\0" + key.encode()).digest()


def derive_key(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, from which nothing can be learnt of the others (HKDF's expand step)."""
    return hmac.digest(key, b"fieldfare " + purpose.encode() + b"\x01", hashlib.sha256)
