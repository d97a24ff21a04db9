"""Who may call, and how often: one-time keys, access tokens, credentials of administrators, token buckets."""

from fieldfare.core.access._credentials import (
    SALT_BYTES,
    SECRET_BYTES,
    Role,
    check_credential_name,
    credential_token,
    secret_digest,
    split_credential,
)
from fieldfare.core.access._keys import ONE_TIME_KEY_BYTES, derive_key, key_digest, one_time_key
from fieldfare.core.access._rates import Rate, RateLimiter
from fieldfare.core.access._refresh import check_refresh
from fieldfare.core.access._tokens import AccessClaims, open_access_token, seal_access_token

__all__ = [
    "ONE_TIME_KEY_BYTES",
    "SALT_BYTES",
    "SECRET_BYTES",
    "AccessClaims",
    "Rate",
    "RateLimiter",
    "Role",
    "check_credential_name",
    "check_refresh",
    "credential_token",
    "derive_key",
    "key_digest",
    "one_time_key",
    "open_access_token",
    "seal_access_token",
    "secret_digest",
    "split_credential",
]
