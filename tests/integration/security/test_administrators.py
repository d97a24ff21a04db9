"""Credentials, roles and the audit log over real gRPC."""

from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from fieldfare.aggregator import AdminClient
from fieldfare.core.access import Role
from fieldfare.core.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    PermissionDeniedError,
    StateError,
    TransportError,
)
from fieldfare.core.tasks import CohortSpec, TaskAction, TaskSpec
from tests.integration.security.callers import administrators, credential, serving, with_security
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import PLAN

COHORT = CohortSpec(2, 2, 2.0)
SPEC = TaskSpec("t", "p", rounds=2, training=COHORT, evaluation=COHORT, evaluate_every=0)
START = np.zeros(3, np.float32)
HOUR = timedelta(hours=1)


def test_each_role_may_do_its_own_and_no_more(tmp_path: Path) -> None:
    tokens = {role: credential(tmp_path, role.name.lower(), role) for role in Role}
    with serving(tmp_path) as aggregator:
        viewer, operator, admin = (AdminClient(aggregator.admin_address, token=tokens[role]) for role in Role)
        with pytest.raises(PermissionDeniedError, match="viewer has the role viewer; SubmitTask needs operator"):
            viewer.submit(PLAN, SPEC, weights=START)
        task = operator.submit(PLAN, SPEC, weights=START)
        assert viewer.show("t").task_id == task.task_id
        assert viewer.fetch(task.plan) == PLAN
        with pytest.raises(PermissionDeniedError):
            viewer.control("t", TaskAction.PAUSE)
        operator.control("t", TaskAction.PAUSE)
        for client in (viewer, operator):
            for call in (
                lambda one: one.create_keys("p", 1, HOUR),
                lambda one: list(one.devices()),
                lambda one: one.revoke_device(bytes(16)),
                lambda one: one.audit(),
            ):
                with pytest.raises(PermissionDeniedError, match="needs admin"):
                    call(client)
        assert len(admin.create_keys("p", 1, HOUR)) == 1
        admin.control("t", TaskAction.RESUME)
        assert list(admin.devices()) == []
        for client in (viewer, operator, admin):
            client.close()


def test_without_a_valid_token_nothing_is_answered(tmp_path: Path) -> None:
    token = credential(tmp_path, "ada", Role.ADMIN)
    wrong = ("", "ffa.ada.x", token[:-1], token.replace("ada", "bob"), "Bearer", "ffa..")
    with serving(tmp_path) as aggregator:
        for one in wrong:
            client = AdminClient(aggregator.admin_address, token=one)
            with client, pytest.raises(AuthenticationError, match="no valid token"):
                client.list()
        with AdminClient(aggregator.admin_address, token=token) as client:
            assert client.list() == []
            with administrators(tmp_path) as known:
                known.revoke("ada")
            with pytest.raises(AuthenticationError):
                client.list()
        # The last credential is revoked: that does not open the port again.
        with AdminClient(aggregator.admin_address) as client, pytest.raises(AuthenticationError):
            client.list()


def test_loopback_is_open_until_the_first_credential_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as aggregator, AdminClient(aggregator.admin_address) as client:
        assert any("may administer" in one for one in aggregator.warnings)
        client.submit(PLAN, SPEC, weights=START)
        assert [(one.who, one.call, one.outcome) for one in client.audit()] == [("", "SubmitTask", "OK")]
        token = credential(tmp_path, "ada", Role.ADMIN)
        with pytest.raises(AuthenticationError):
            client.list()
        with AdminClient(aggregator.admin_address, token=token) as known:
            assert len(known.list()) == 1


def test_guessing_is_slowed_down_and_written_down(tmp_path: Path) -> None:
    token = credential(tmp_path, "ada", Role.ADMIN)
    with serving(tmp_path, with_security(failures_per_min=3)) as aggregator:
        guesser = AdminClient(aggregator.admin_address, token="ffa.ada.guess")  # noqa: S106
        for _ in range(3):
            with pytest.raises(AuthenticationError):
                guesser.list()
        with pytest.raises(TransportError, match="too many failed sign-ins"):
            guesser.list()
        guesser.close()
    with serving(tmp_path) as aggregator, AdminClient(aggregator.admin_address, token=token) as client:
        refusals = [(one.call, one.outcome, getattr(one, "from")) for one in client.audit()]
        assert refusals == [("ListTasks", "UNAUTHENTICATED", "127.0.0.1")] * 3


def test_what_changes_something_or_is_refused_is_in_the_audit_log(tmp_path: Path) -> None:
    tokens = {role: credential(tmp_path, role.name.lower(), role) for role in Role}
    with serving(tmp_path) as aggregator:
        viewer, operator, admin = (AdminClient(aggregator.admin_address, token=tokens[role]) for role in Role)
        task = operator.submit(PLAN, SPEC, weights=START)
        operator.list()
        operator.control("t", TaskAction.CANCEL)
        with pytest.raises(StateError):
            operator.control("t", TaskAction.RESUME)
        with pytest.raises(PermissionDeniedError):
            viewer.control("t", TaskAction.PAUSE)
        keys = admin.create_keys("p", 3, HOUR)
        with pytest.raises(ConfigError):
            admin.create_keys("p", 0, HOUR)
        with pytest.raises(NotFoundError):
            admin.revoke_device(bytes(16))
        # The refusal is answered first, and written down then.
        wait_until(lambda: len(admin.audit()) == 7, "the last record")
        records = admin.audit()
        for client in (viewer, operator):
            client.close()
        assert [(one.who, one.call, one.subject, one.detail, one.outcome) for one in records][::-1] == [
            ("operator", "SubmitTask", task.task_id, "submit 't' for population 'p'", "OK"),
            ("operator", "ControlTask", task.task_id, "cancel", "OK"),
            ("operator", "ControlTask", "t", "resume", "FAILED_PRECONDITION"),
            ("viewer", "ControlTask", "", "", "PERMISSION_DENIED"),
            ("admin", "CreateEnrollmentKeys", "p", "3 keys, valid for 3600 s", "OK"),
            ("admin", "CreateEnrollmentKeys", "p", "0 keys, valid for 3600 s", "INVALID_ARGUMENT"),
            ("admin", "RevokeDevice", bytes(16).hex(), "", "NOT_FOUND"),
        ]
        numbers = [one.number for one in records]
        assert numbers == sorted(numbers, reverse=True)
        assert [one.number for one in admin.audit(before=numbers[2], limit=2)] == numbers[3:5]
        admin.close()
    # Nothing secret is on disk: not a key, not a token; and no row of the log can be changed.
    written = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert tokens[Role.ADMIN].rpartition(".")[2].encode() not in written
    assert keys[0].encode() not in written
    engine = create_engine(f"sqlite:///{tmp_path / 'state' / 'fieldfare.db'}")
    for statement in ("update audit_records set who = 'nobody'", "delete from audit_records"):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_names_are_used_once(tmp_path: Path) -> None:
    with administrators(tmp_path) as known:
        known.add("ada", Role.VIEWER)
        with pytest.raises(StateError, match="taken"):
            known.add("ada", Role.ADMIN)
        known.revoke("ada")
        with pytest.raises(StateError, match="taken"):
            known.add("ada", Role.ADMIN)
        with pytest.raises(NotFoundError):
            known.revoke("bob")
        with pytest.raises(ConfigError):
            known.add("a b", Role.ADMIN)
        (only,) = known.all()
        assert (only.name, only.role, only.revoked_at is not None) == ("ada", Role.VIEWER, True)


def test_health_needs_no_credential(tmp_path: Path) -> None:
    credential(tmp_path, "ada", Role.ADMIN)
    with serving(tmp_path) as aggregator:
        for address in (aggregator.address, aggregator.admin_address):
            with grpc.insecure_channel(address) as channel:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
