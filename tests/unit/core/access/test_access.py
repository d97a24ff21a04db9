import base64
from datetime import UTC, datetime, timedelta

import pytest

from fieldfare.core.access import (
    AccessClaims,
    Rate,
    RateLimiter,
    Role,
    check_credential_name,
    check_refresh,
    credential_token,
    derive_key,
    key_digest,
    one_time_key,
    open_access_token,
    seal_access_token,
    secret_digest,
    split_credential,
)
from fieldfare.core.errors import AuthenticationError, ConfigError, LimitError, PermissionDeniedError

KEY = bytes(range(32))
NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, UTC)
CLAIMS = AccessClaims(bytes(range(16)), "digits", NOW + timedelta(hours=1))
TOKEN = seal_access_token(KEY, CLAIMS)
MICROS = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_a_token_says_who_and_until_when():
    assert open_access_token(KEY, TOKEN, NOW) == CLAIMS
    assert open_access_token(KEY, TOKEN, CLAIMS.expires_at - timedelta(microseconds=1)) == CLAIMS
    with pytest.raises(AuthenticationError, match="expired"):
        open_access_token(KEY, TOKEN, CLAIMS.expires_at)


def resealed(version: int) -> str:
    import hashlib
    import hmac

    body = bytes([version]) + bytes(24)
    return base64.urlsafe_b64encode(body + hmac.digest(KEY, body, hashlib.sha256)).rstrip(b"=").decode()


@pytest.mark.parametrize("index", range(0, len(TOKEN), 7))
def test_a_token_with_any_character_changed_is_none(index):
    changed = TOKEN[:index] + ("A" if TOKEN[index] != "A" else "B") + TOKEN[index + 1 :]
    with pytest.raises(AuthenticationError):
        open_access_token(KEY, changed, NOW)


@pytest.mark.parametrize("token", ["", "A", "é", "*" * 80, "A" * 600, TOKEN[:-8], "A" * 76, resealed(2)])
def test_what_is_no_token(token):
    with pytest.raises(AuthenticationError, match="RefreshToken"):
        open_access_token(KEY, token, NOW)


def test_another_aggregators_token():
    with pytest.raises(AuthenticationError, match="not one of this aggregator's"):
        open_access_token(bytes(32), TOKEN, NOW)


def test_one_time_keys():
    key = one_time_key(bytes(range(20)))
    assert key == "ffk-aaaqeaye-audaocaj-bifqydio-b4ibceqt"
    assert key_digest(key) != key_digest(key + " ")
    assert len(key_digest(key)) == 32


def test_derived_keys_differ_by_purpose():
    assert derive_key(KEY, "access") != derive_key(KEY, "tickets")
    assert derive_key(KEY, "access") != derive_key(bytes(32), "access")
    assert len(derive_key(KEY, "access")) == 32


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_a_refresh_near_the_present(seconds):
    check_refresh(MICROS + seconds * 10**6, last_micros=0, now=NOW, window=timedelta(minutes=5))


@pytest.mark.parametrize(("seconds", "words"), [(-7200, "7200 s behind"), (301, "301 s ahead")])
def test_a_clock_that_is_wrong(seconds, words):
    with pytest.raises(AuthenticationError, match=words):
        check_refresh(MICROS + seconds * 10**6, last_micros=0, now=NOW, window=timedelta(minutes=5))


@pytest.mark.parametrize("last", [MICROS, MICROS + 1])
def test_a_refresh_works_once(last):
    with pytest.raises(AuthenticationError, match="made before"):
        check_refresh(MICROS, last_micros=last, now=NOW, window=timedelta(minutes=5))


def test_credentials():
    token = credential_token("ada", bytes(range(32)))
    name, secret = split_credential(token)
    assert name == "ada"
    assert secret_digest(bytes(16), secret) != secret_digest(bytes(15) + b"\x01", secret)
    for other in ("", "ada", "ffa.ada", "ffb.ada.x", "ffa..x", f"ffa.{'a' * 33}.x", "ffa.ada.x.y"):
        assert split_credential(other) is None
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN


@pytest.mark.parametrize("name", ["", "a b", "a.b", "é", "a" * 33])
def test_names_that_cannot_be_part_of_a_token(name):
    check_credential_name("ada-1_B")
    with pytest.raises(ConfigError, match="is no name"):
        check_credential_name(name)


def test_a_bucket_holds_its_burst_and_fills_at_its_rate():
    limiter = RateLimiter(Rate(per_second=2.0, burst=3))
    assert [limiter.take("a", 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert limiter.take("a", 100.25) == pytest.approx(0.25)
    assert limiter.take("b", 100.25) == 0
    assert limiter.take("a", 100.5) == 0
    assert limiter.take("a", 100.5) == pytest.approx(0.5)
    # After a long rest the bucket is full, and no fuller.
    assert [limiter.take("a", 1000.0) > 0 for _ in range(4)] == [False, False, False, True]


def test_looking_takes_nothing():
    limiter = RateLimiter(Rate(1.0, 1))
    assert limiter.wait("a", 0.0) <= 0
    assert limiter.take("a", 0.0) == 0
    assert limiter.wait("a", 0.25) == pytest.approx(0.75)


def test_the_key_used_longest_ago_is_forgotten():
    limiter = RateLimiter(Rate(1.0, 1), most_keys=2)
    for key in "abc":
        assert limiter.take(key, 0.0) == 0
    assert limiter.take("c", 0.0) > 0
    assert limiter.take("b", 0.0) > 0
    assert limiter.take("a", 0.0) == 0


@pytest.mark.parametrize(("per_second", "burst"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (float("inf"), 1), (1.0, 0)])
def test_rates_that_cannot_be(per_second, burst):
    with pytest.raises(ConfigError):
        Rate(per_second, burst)


def test_errors_of_access_say_whether_to_try_again():
    assert not AuthenticationError("x", server_time_micros=3).retryable
    assert AuthenticationError("x", server_time_micros=3).server_time_micros == 3
    assert not PermissionDeniedError("x").retryable
    assert LimitError("x", retry_after_s=2.5).retryable
    assert LimitError("x", retry_after_s=2.5).retry_after_s == 2.5
