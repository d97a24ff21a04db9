"""Devices enrol with a one-time key, and then hold short-lived tokens that every replica can check by itself."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fieldfare.aggregator.settings import LONGEST_TOKEN, SecuritySettings
from fieldfare.aggregator.storage import DeviceRecord
from fieldfare.aggregator.storage.sql import SqlSecurityStore
from fieldfare.core.access import (
    ONE_TIME_KEY_BYTES,
    AccessClaims,
    check_refresh,
    derive_key,
    key_digest,
    one_time_key,
    open_access_token,
    seal_access_token,
)
from fieldfare.core.errors import AuthenticationError, ConfigError, PermissionDeniedError, ProtocolError
from fieldfare.core.signing import PUBLIC_KEY_BYTES, enrollment_message, is_signed, refresh_message
from fieldfare.core.tasks import is_name
from fieldfare.protos.v1 import aggregator_pb2

__all__ = ["Enrollment"]

_log = logging.getLogger("fieldfare.aggregator")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_BYTES = 16
_MOST_KEYS = 10_000
_LONGEST_KEY_CHARACTERS = 256
_LONGEST_VALIDITY = timedelta(days=366)
_MARGIN = timedelta(minutes=10)
_NOT_ENROLLED = "this device is not enrolled here: enrol it with a one-time key (`fieldfare device enroll`)"


class Enrollment:
    """Keys, tokens and revocation over the shared data base. Its calls block, but for `check`, which never does.

    Args:
        store: rows.
        ticket_key: shared by all replicas; the key that seals access tokens is derived from it.
        settings: life times.
        clock: the present, timezone-aware.
        random_bytes: so many bytes that nobody can guess.
    """

    def __init__(
        self,
        store: SqlSecurityStore,
        ticket_key: bytes,
        settings: SecuritySettings,
        *,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._key = derive_key(ticket_key, "access token v1")
        self._settings = settings
        self._clock = clock
        self._random_bytes = random_bytes
        self._revoked: frozenset[bytes] = frozenset()

    def create_keys(self, population: str, count: int, valid_for: timedelta) -> list[str]:
        """New one-time keys for devices of a population; only their digests are kept.

        Raises:
            ConfigError: a population, count or time that cannot be.
            StorageError: they cannot be written; none is valid then.
        """
        if not is_name(population):
            raise ConfigError("needs 1 to 64 characters of letters, digits, '.', '_' and '-'", field="population")
        if not 1 <= count <= _MOST_KEYS:
            raise ConfigError(f"must be 1 to {_MOST_KEYS}", field="count")
        if not timedelta(0) < valid_for <= _LONGEST_VALIDITY:
            raise ConfigError("must be above 0 and at most 366 days", field="valid_for")
        keys = [one_time_key(self._random_bytes(ONE_TIME_KEY_BYTES)) for _ in range(count)]
        now = self._clock()
        self._store.add_keys(population, [key_digest(one) for one in keys], now, now + valid_for)
        return keys

    def enroll(self, request: aggregator_pb2.EnrollRequest) -> aggregator_pb2.AccessToken:
        """A device's first token. The same call again gives another one to the same device.

        Raises:
            ProtocolError: an id or a key that cannot be.
            PermissionDeniedError: the key does not allow it, or the signature does not hold.
            StorageError: it cannot be written.
        """
        _check_id(request.device_id)
        if len(request.public_key) != PUBLIC_KEY_BYTES or not 0 < len(request.key) <= _LONGEST_KEY_CHARACTERS:
            raise ProtocolError("enrolling needs a one-time key and a public key of 32 bytes")
        if not is_signed(request.public_key, request.signature, enrollment_message(request.device_id, request.key)):
            raise PermissionDeniedError("the signature of the enrolment does not hold")
        now = self._clock()
        device = self._store.enroll(key_digest(request.key), request.device_id, request.public_key, now)
        _log.info("a device enrolled population=%s", device.population)
        return self._token(device, now)

    def refresh(self, request: aggregator_pb2.RefreshTokenRequest) -> aggregator_pb2.AccessToken:
        """An enrolled device's next token, for its signature under the present time.

        Raises:
            ProtocolError: an id that cannot be.
            AuthenticationError: the device is not enrolled or revoked, the signature does not hold, its time is wrong
                or was used.
            StorageError: it cannot be written.
        """
        _check_id(request.device_id)
        now = self._clock()
        device = self._store.device(request.device_id)
        if device is None:
            raise AuthenticationError(_NOT_ENROLLED)
        message = refresh_message(request.device_id, request.time_micros)
        if not is_signed(device.public_key, request.signature, message):
            raise AuthenticationError("the signature of the refresh does not hold")
        if device.revoked_at is not None:
            raise AuthenticationError("this device was revoked")
        try:
            check_refresh(
                request.time_micros, last_micros=device.refreshed_micros, now=now, window=self._settings.clock_window
            )
        except AuthenticationError as error:
            raise AuthenticationError(str(error), server_time_micros=_micros(now)) from error
        if not self._store.take_refresh(device.device_id, request.time_micros):
            # Another call of the same time was faster, here or at another replica; or the device was just revoked.
            raise AuthenticationError("this refresh was made before, or the device was revoked: sign a later time")
        return self._token(device, now)

    def check(self, token: str) -> AccessClaims:
        """Whose token this is.

        Raises:
            AuthenticationError: none, forged, expired, or of a device that was revoked.
        """
        if not token:
            raise AuthenticationError(_NOT_ENROLLED)
        claims = open_access_token(self._key, token, self._clock())
        if claims.device_id in self._revoked:
            raise AuthenticationError("this device was revoked")
        return claims

    def revoke(self, device_id: bytes) -> DeviceRecord:
        """End a device's tokens: here at once, at other replicas with their next look.

        Raises:
            NotFoundError: there is no such device.
            StorageError: it cannot be written.
        """
        _check_id(device_id)
        device = self._store.revoke_device(device_id, self._clock())
        self.look_for_revocations()
        return device

    def look_for_revocations(self) -> None:
        """Learn which devices were revoked while tokens of theirs may still be valid.

        Raises:
            StorageError: the data base cannot say; what was known stays known.
        """
        # Not the present `token_lifetime`: tokens that were made under a longer one are still about.
        self._revoked = self._store.revoked_since(self._clock() - LONGEST_TOKEN - _MARGIN)

    def devices(self, population: str, after: bytes, limit: int) -> list[DeviceRecord]:
        """Enrolled devices, in order of their ids; of all populations where it is empty.

        Raises:
            StorageError: they cannot be read.
        """
        return self._store.devices(population, after, limit)

    def _token(self, device: DeviceRecord, now: datetime) -> aggregator_pb2.AccessToken:
        lifetime = self._settings.token_lifetime
        claims = AccessClaims(device.device_id, device.population, now + lifetime)
        return aggregator_pb2.AccessToken(
            token=seal_access_token(self._key, claims),
            expires_in=lifetime,
            population=device.population,
            server_time_micros=_micros(now),
        )


def _check_id(device_id: bytes) -> None:
    if len(device_id) != _ID_BYTES:
        raise ProtocolError(f"a device id has {_ID_BYTES} bytes, not {len(device_id)}")


def _micros(now: datetime) -> int:
    return (now - _EPOCH) // timedelta(microseconds=1)
