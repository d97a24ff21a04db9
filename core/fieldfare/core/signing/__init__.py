"""Ed25519 signatures (RFC 8032): of devices when they enrol, and of publishers over their plans.

A private key is 32 random bytes (the seed of RFC 8032) that the caller drew: there is no randomness here.
"""

from fieldfare.core.signing._devices import enrollment_message, refresh_message
from fieldfare.core.signing._ed25519 import (
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    SIGNATURE_BYTES,
    is_signed,
    public_key_of,
    sign,
)
from fieldfare.core.signing._pem import (
    private_key_from_pem,
    private_key_to_pem,
    public_key_from_pem,
    public_key_to_pem,
)
from fieldfare.core.signing._plans import (
    MAX_PLAN_SIGNATURES,
    check_plan_signatures,
    is_published,
    plan_signature_from_file,
    plan_signature_to_file,
    sign_plan,
)

__all__ = [
    "MAX_PLAN_SIGNATURES",
    "PUBLIC_KEY_BYTES",
    "SEED_BYTES",
    "SIGNATURE_BYTES",
    "check_plan_signatures",
    "enrollment_message",
    "is_published",
    "is_signed",
    "plan_signature_from_file",
    "plan_signature_to_file",
    "private_key_from_pem",
    "private_key_to_pem",
    "public_key_from_pem",
    "public_key_of",
    "public_key_to_pem",
    "refresh_message",
    "sign",
    "sign_plan",
]
