"""Credentials of administrators: made at the aggregator's own machine, checked at every call."""

import hmac
from collections.abc import Callable
from datetime import datetime

from fieldfare.aggregator.storage import CredentialRecord
from fieldfare.aggregator.storage.sql import SqlSecurityStore
from fieldfare.core.access import (
    SALT_BYTES,
    SECRET_BYTES,
    Role,
    check_credential_name,
    credential_token,
    secret_digest,
    split_credential,
)
from fieldfare.core.errors import AuthenticationError

__all__ = ["Administrators"]

_REFUSED = "no valid token: give --token-file or FIELDFARE_ADMIN_TOKEN (`fieldfare admin add` makes one)"


class Administrators:
    """Credentials over the shared data base. Its calls block.

    Args:
        store: rows.
        clock: the present, timezone-aware.
        random_bytes: so many bytes that nobody can guess.
    """

    def __init__(
        self, store: SqlSecurityStore, *, clock: Callable[[], datetime], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes

    def add(self, name: str, role: Role) -> str:
        """A new credential.

        Returns:
            Its token, which is nowhere else.

        Raises:
            ConfigError: a name that cannot be.
            StateError: the name is taken.
            StorageError: it cannot be written.
        """
        check_credential_name(name)
        salt = self._random_bytes(SALT_BYTES)
        token = credential_token(name, self._random_bytes(SECRET_BYTES))
        _, secret = split_credential(token) or ("", "")
        self._store.add_credential(CredentialRecord(name, role, salt, secret_digest(salt, secret), self._clock()))
        return token

    def all(self) -> list[CredentialRecord]:
        """All credentials, revoked ones too.

        Raises:
            StorageError: they cannot be read.
        """
        return self._store.credentials()

    def revoke(self, name: str) -> CredentialRecord:
        """End a credential.

        Raises:
            NotFoundError: there is none of this name.
            StorageError: it cannot be written.
        """
        return self._store.revoke_credential(name, self._clock())

    def check(self, token: str) -> CredentialRecord:
        """Whose token this is. What it compares takes the same time whether or not the name is known.

        Raises:
            AuthenticationError: nobody's, or one that was revoked.
            StorageError: it cannot be read.
        """
        name, secret = split_credential(token) or ("", "")
        found = self._store.credential(name)
        salt, digest = (bytes(SALT_BYTES), bytes(32)) if found is None else (found.salt, found.digest)
        same = hmac.compare_digest(secret_digest(salt, secret), digest)
        if found is None or not same or found.revoked_at is not None:
            raise AuthenticationError(_REFUSED)
        return found
