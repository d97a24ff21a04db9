"""Devices, one-time keys, credentials and the audit log, over SQLAlchemy Core. Each method is one transaction."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fieldfare.aggregator.storage._security_records import AuditRecord, CredentialRecord, DeviceRecord
from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql._rows import micros, moment, moment_or_none
from fieldfare.core.access import Role
from fieldfare.core.errors import NotFoundError, PermissionDeniedError, StateError

_AUDIT = ("who", "origin", "call", "subject", "detail", "outcome")


class SqlSecurityStore:
    """Who may call.

    Every method raises `StorageError` when the data base cannot do it now.

    Args:
        read: opens a connection for reading.
        write: opens a transaction.
    """

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[Connection]],
        write: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._read = read
        self._write = write

    # Devices.

    def add_keys(self, population: str, digests: Iterable[bytes], now: datetime, expires_at: datetime) -> None:
        """New one-time keys; those that have expired are forgotten."""
        made, ends = micros(now), micros(expires_at)
        rows = [{"digest": one, "population": population, "created_at": made, "expires_at": ends} for one in digests]
        with self._write() as connection:
            connection.execute(delete(t.enrollment_keys).where(t.enrollment_keys.c.expires_at <= made))
            connection.execute(insert(t.enrollment_keys), rows)

    def enroll(self, digest: bytes, device_id: bytes, public_key: bytes, now: datetime) -> DeviceRecord:
        """Use a key up for a device, and keep the device. The same call again changes nothing.

        Raises:
            PermissionDeniedError: a key that is unknown, expired or used by another device; an id that is taken by
                another key pair or belongs to another population; a device that was revoked.
        """
        c = t.enrollment_keys.c
        with self._write() as connection:
            key = connection.execute(select(t.enrollment_keys).where(c.digest == digest)).first()
            if key is None or key.expires_at <= micros(now):
                raise PermissionDeniedError("the enrolment key is unknown or has expired: ask for a new one")
            mine = (c.digest == digest) & (c.used_by.is_(None) | (c.used_by == device_id))
            if connection.execute(update(t.enrollment_keys).where(mine).values(used_by=device_id)).rowcount != 1:
                raise PermissionDeniedError("the enrolment key was used by another device: ask for a new one")
            found = _device(connection, device_id)
            if found is None:
                found = DeviceRecord(device_id, key.population, public_key, now)
                connection.execute(insert(t.devices).values(**_from_device(found)))
            if found.public_key != public_key:
                raise PermissionDeniedError("this device id is taken by another device: start with an empty folder")
            if found.revoked_at is not None:
                raise PermissionDeniedError("this device was revoked")
            if found.population != key.population:
                raise PermissionDeniedError(
                    f"this device belongs to population {found.population!r}, the key to {key.population!r}"
                )
            return found

    def device(self, device_id: bytes) -> DeviceRecord | None:
        """The device, or None."""
        with self._read() as connection:
            return _device(connection, device_id)

    def take_refresh(self, device_id: bytes, time_micros: int) -> bool:
        """Note the time that the device signed; False where it is not later than the last, or the device is revoked."""
        c = t.devices.c
        fresh = (c.device_id == device_id) & (c.refreshed_micros < time_micros) & c.revoked_at.is_(None)
        with self._write() as connection:
            done = connection.execute(update(t.devices).where(fresh).values(refreshed_micros=time_micros))
            return done.rowcount == 1

    def revoke_device(self, device_id: bytes, now: datetime) -> DeviceRecord:
        """Revoke a device; one that is revoked stays so since it was.

        Raises:
            NotFoundError: there is none.
        """
        c = t.devices.c
        with self._write() as connection:
            valid = (c.device_id == device_id) & c.revoked_at.is_(None)
            connection.execute(update(t.devices).where(valid).values(revoked_at=micros(now)))
            found = _device(connection, device_id)
        if found is None:
            raise NotFoundError(f"there is no enrolled device {device_id.hex()}")
        return found

    def revoked_since(self, moment: datetime) -> frozenset[bytes]:
        """Ids of devices that were revoked at that moment or later."""
        c = t.devices.c
        with self._read() as connection:
            return frozenset(connection.scalars(select(c.device_id).where(c.revoked_at >= micros(moment))))

    def devices(self, population: str, after: bytes, limit: int) -> list[DeviceRecord]:
        """Devices of a population, or of all where it is empty, in order of their ids."""
        c = t.devices.c
        query = select(t.devices).where(c.device_id > after).order_by(c.device_id).limit(limit)
        if population:
            query = query.where(c.population == population)
        with self._read() as connection:
            return [_to_device(row) for row in connection.execute(query)]

    # Administrators.

    def add_credential(self, record: CredentialRecord) -> None:
        """A new credential.

        Raises:
            StateError: the name is taken, also by one that was revoked.
        """
        with self._write() as connection:
            taken = select(t.credentials.c.name).where(t.credentials.c.name == record.name)
            if connection.execute(taken).first() is not None:
                raise StateError(f"the name {record.name!r} is taken: choose another, names are not used again")
            connection.execute(
                insert(t.credentials).values(
                    name=record.name,
                    role=record.role.value,
                    salt=record.salt,
                    digest=record.digest,
                    created_at=micros(record.created_at),
                )
            )

    def credential(self, name: str) -> CredentialRecord | None:
        """The credential, or None."""
        with self._read() as connection:
            row = connection.execute(select(t.credentials).where(t.credentials.c.name == name)).first()
        return None if row is None else _to_credential(row)

    def credentials(self) -> list[CredentialRecord]:
        """All of them, revoked ones too, by name."""
        with self._read() as connection:
            return [_to_credential(row) for row in connection.execute(select(t.credentials).order_by("name"))]

    def revoke_credential(self, name: str, now: datetime) -> CredentialRecord:
        """Revoke a credential; one that is revoked stays so since it was.

        Raises:
            NotFoundError: there is none.
        """
        c = t.credentials.c
        with self._write() as connection:
            valid = (c.name == name) & c.revoked_at.is_(None)
            connection.execute(update(t.credentials).where(valid).values(revoked_at=micros(now)))
            row = connection.execute(select(t.credentials).where(c.name == name)).first()
        if row is None:
            raise NotFoundError(f"there is no credential {name!r}: `fieldfare admin list` shows all")
        return _to_credential(row)

    def add_audit(self, record: AuditRecord) -> None:
        """Append a record; its number is the data base's to give."""
        values = {name: getattr(record, name) for name in _AUDIT}
        with self._write() as connection:
            connection.execute(insert(t.audit_records).values(at=micros(record.at), **values))

    def audit(self, before: int, limit: int) -> list[AuditRecord]:
        """Records with a number below `before`, newest first; from the newest on where it is 0."""
        c = t.audit_records.c
        query = select(t.audit_records).order_by(c.number.desc()).limit(limit)
        if before:
            query = query.where(c.number < before)
        with self._read() as connection:
            rows = connection.execute(query).all()
        return [
            AuditRecord(moment(row.at), number=row.number, **{name: getattr(row, name) for name in _AUDIT})
            for row in rows
        ]


def _device(connection: Connection, device_id: bytes) -> DeviceRecord | None:
    row = connection.execute(select(t.devices).where(t.devices.c.device_id == device_id)).first()
    return None if row is None else _to_device(row)


def _from_device(record: DeviceRecord) -> dict[str, Any]:
    return {
        "device_id": record.device_id,
        "population": record.population,
        "public_key": record.public_key,
        "enrolled_at": micros(record.enrolled_at),
        "refreshed_micros": record.refreshed_micros,
        "revoked_at": micros(record.revoked_at),
    }


def _to_device(row: Row[Any]) -> DeviceRecord:
    return DeviceRecord(
        device_id=row.device_id,
        population=row.population,
        public_key=row.public_key,
        enrolled_at=moment(row.enrolled_at),
        refreshed_micros=row.refreshed_micros,
        revoked_at=moment_or_none(row.revoked_at),
    )


def _to_credential(row: Row[Any]) -> CredentialRecord:
    return CredentialRecord(
        name=row.name,
        role=Role(row.role),
        salt=row.salt,
        digest=row.digest,
        created_at=moment(row.created_at),
        revoked_at=moment_or_none(row.revoked_at),
    )
