"""Who may call, as rows: the same contract over SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fieldfare.aggregator.storage import (
    AuditRecord,
    CredentialRecord,
    DeviceRecord,
    TaskRecord,
)
from fieldfare.aggregator.storage.sql import SqlDatabase
from fieldfare.core.access import Role
from fieldfare.core.errors import FieldfareError, NotFoundError, PermissionDeniedError, StateError
from fieldfare.core.signing import sign_plan
from tests.unit.aggregator.test_storage import FIRST, NOW, TASK

HOUR = timedelta(hours=1)
KEY, DEVICE, PUBLIC = b"k" * 32, b"d" * 16, b"p" * 32


def test_a_key_enrols_one_device(database: SqlDatabase) -> None:
    store = database.security
    store.add_keys("p", [KEY, b"l" * 32], NOW, NOW + HOUR)
    expected = DeviceRecord(DEVICE, "p", PUBLIC, NOW)
    assert store.enroll(KEY, DEVICE, PUBLIC, NOW) == expected
    assert store.enroll(KEY, DEVICE, PUBLIC, NOW + HOUR / 2) == expected == store.device(DEVICE)
    for key, device, public, moment, words in (
        (KEY, b"e" * 16, PUBLIC, NOW, "used by another"),
        (b"x" * 32, b"e" * 16, PUBLIC, NOW, "unknown"),
        (b"l" * 32, b"e" * 16, PUBLIC, NOW + HOUR, "expired"),
        (b"l" * 32, DEVICE, b"q" * 32, NOW, "taken"),
    ):
        with pytest.raises(PermissionDeniedError, match=words):
            store.enroll(key, device, public, moment)
    # What was refused used no key up.
    assert store.enroll(b"l" * 32, b"e" * 16, PUBLIC, NOW).device_id == b"e" * 16
    assert [one.device_id for one in store.devices("p", b"", 10)] == [DEVICE, b"e" * 16]
    assert [one.device_id for one in store.devices("", DEVICE, 10)] == [b"e" * 16]
    assert store.devices("q", b"", 10) == []


def test_many_devices_with_one_key_at_the_same_time(database: SqlDatabase) -> None:
    store = database.security
    store.add_keys("p", [KEY], NOW, NOW + HOUR)

    def try_it(index: int) -> bool:
        try:
            store.enroll(KEY, bytes([index]) * 16, PUBLIC, NOW)
        except FieldfareError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(try_it, range(1, 7))) == 1
    assert len(store.devices("p", b"", 10)) == 1


def test_expired_keys_are_forgotten(database: SqlDatabase) -> None:
    store = database.security
    store.add_keys("p", [KEY], NOW, NOW + HOUR)
    store.add_keys("p", [b"l" * 32], NOW + 2 * HOUR, NOW + 3 * HOUR)
    with database._read() as connection:
        assert connection.execute(text("select count(*) from enrollment_keys")).scalar() == 1


def test_a_refresh_is_taken_once_and_only_onwards(database: SqlDatabase) -> None:
    store = database.security
    store.add_keys("p", [KEY], NOW, NOW + HOUR)
    store.enroll(KEY, DEVICE, PUBLIC, NOW)
    assert store.take_refresh(DEVICE, 10)
    assert not store.take_refresh(DEVICE, 10)
    assert not store.take_refresh(DEVICE, 9)
    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(lambda _: store.take_refresh(DEVICE, 11), range(6))) == 1
    store.revoke_device(DEVICE, NOW)
    assert not store.take_refresh(DEVICE, 12)
    assert not store.take_refresh(b"e" * 16, 12)


def test_revocation(database: SqlDatabase) -> None:
    store = database.security
    store.add_keys("p", [KEY], NOW, NOW + HOUR)
    store.enroll(KEY, DEVICE, PUBLIC, NOW)
    assert store.revoked_since(NOW - HOUR) == frozenset()
    assert store.revoke_device(DEVICE, NOW + HOUR / 2).revoked_at == NOW + HOUR / 2
    assert store.revoke_device(DEVICE, NOW + HOUR).revoked_at == NOW + HOUR / 2
    assert store.revoked_since(NOW) == {DEVICE}
    assert store.revoked_since(NOW + HOUR) == frozenset()
    with pytest.raises(PermissionDeniedError, match="revoked"):
        store.enroll(KEY, DEVICE, PUBLIC, NOW)
    with pytest.raises(NotFoundError):
        store.revoke_device(b"e" * 16, NOW)


def test_credentials(database: SqlDatabase) -> None:
    store = database.security
    ada = CredentialRecord("ada", Role.OPERATOR, b"s" * 16, b"d" * 32, NOW)
    store.add_credential(ada)
    assert store.credential("ada") == ada
    assert store.credential("bob") is None
    with pytest.raises(StateError, match="taken"):
        store.add_credential(ada)
    assert store.revoke_credential("ada", NOW) == replace(ada, revoked_at=NOW)
    assert store.credentials() == [replace(ada, revoked_at=NOW)]
    with pytest.raises(NotFoundError):
        store.revoke_credential("bob", NOW)


def test_the_audit_log_grows_and_does_not_change(database: SqlDatabase) -> None:
    store = database.security
    for index in range(5):
        store.add_audit(AuditRecord(NOW, "ada", "127.0.0.1", "ControlTask", f"t{index}", "pause", "OK"))
    records = store.audit(0, 10)
    assert [one.subject for one in records] == ["t4", "t3", "t2", "t1", "t0"]
    assert records[0] == AuditRecord(
        NOW, "ada", "127.0.0.1", "ControlTask", "t4", "pause", "OK", number=records[0].number
    )
    assert store.audit(records[1].number, 2) == records[2:4]
    for statement in ("update audit_records set who = 'nobody'", "delete from audit_records"):
        with pytest.raises(DBAPIError, match="append-only"), database._engine.begin() as connection:
            connection.execute(text(statement))
    assert store.audit(0, 10) == records


def test_a_task_keeps_its_plans_signatures(database: SqlDatabase) -> None:
    signed: TaskRecord = replace(TASK, plan_signatures=(sign_plan(bytes(32), TASK.plan.sha256),))
    database.add_task(signed, FIRST)
    assert database.task(TASK.task_id) == signed
    assert database.tasks() == [signed]
