"""`fieldfare admin`, `device enroll` and `plan sign`, as a person would use them."""

import io
import stat
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.command import Console, run
from tests.integration.security.callers import serving
from tests.support.commands import FIELDFARE, environment
from tests.support.commands import fieldfare as process
from tests.support.shared_storage import PostgresServer
from tests.unit.aggregator.world import PLAN

ENTRIES = [
    EntryPoint(name, f"fieldfare.{room}.commands.{name}:COMMAND", "fieldfare.commands")
    for room, name in (("aggregator", "admin"), ("aggregator", "task"), ("sdk", "device"), ("sdk", "plan"))
]


def fieldfare(*argv: Any) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = run([str(one) for one in argv], Console(out, err), {}, ENTRIES)
    return status, out.getvalue(), err.getvalue()


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    with serving(tmp_path) as running:
        yield running


def test_a_folder_that_is_not_the_aggregators_is_no_place_for_credentials(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    for action in (("list",), ("revoke", "ada")):
        status, out, err = fieldfare("admin", *action, "--state", wrong)
        assert (status, out) == (1, "")
        assert "is no state folder" in err
        assert not wrong.exists()


def test_a_state_folder_that_is_made_for_the_first_credential_is_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    assert fieldfare("admin", "add", "ada", "--role", "admin", "--state", state)[0] == 0
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_from_the_first_credential_to_a_revoked_device(tmp_path: Path, aggregator: Aggregator) -> None:
    state, token = ("--state", tmp_path / "state"), tmp_path / "token"
    assert "no credentials" in fieldfare("admin", "list", *state)[1]
    status, out, err = fieldfare("admin", "add", "ada", "--role", "admin", *state)
    assert (status, len(out.splitlines())) == (0, 1)
    assert "shown once" in err
    token.write_text(out)
    known = ("--admin", aggregator.admin_address, "--token-file", token)
    assert fieldfare("admin", "audit", "--admin", aggregator.admin_address)[0] == 1
    status, keys, err = fieldfare("admin", "keys", "create", "--population", "digits", "--count", 2, *known)
    assert (status, len(keys.splitlines())) == (0, 2)
    (tmp_path / "key").write_text(keys.splitlines()[0])
    folder = tmp_path / "device"
    enroll = ("device", "enroll", "--folder", folder, "--aggregator", aggregator.address)
    status, out, err = fieldfare(*enroll, "--key-file", tmp_path / "key")
    identity = (folder / "device_id").read_bytes().hex()
    assert (status, out) == (0, f"enrolled in population digits as device {identity}\n")
    assert identity in fieldfare("admin", "devices", "list", *known)[1]
    assert "32 hexadecimal digits" in fieldfare("admin", "devices", "revoke", identity[:8], *known)[2]
    assert "is revoked" in fieldfare("admin", "devices", "revoke", identity, *known)[1]
    assert f"{identity}  digits  enrolled" in (listing := fieldfare("admin", "devices", "list", *known)[1])
    assert "revoked" in listing
    audit = fieldfare("admin", "audit", *known)[1]
    assert [line.split()[5] for line in audit.splitlines()[1:]] == [
        "RevokeDevice",
        "CreateEnrollmentKeys",
        "ListAuditRecords",
    ], audit
    assert "ada" in fieldfare("admin", "list", *state)[1]
    assert "is revoked" in fieldfare("admin", "revoke", "ada", *state)[1]
    assert "no valid token" in fieldfare("admin", "audit", *known)[2]


def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, aggregator: Aggregator) -> None:
    (tmp_path / "two").write_text("a b\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    admin = ("--admin", aggregator.admin_address)
    enroll = ("device", "enroll", "--folder", tmp_path / "d", "--aggregator", aggregator.address, "--key-file")
    for argv, words in (
        ((*enroll, tmp_path / "absent"), "cannot be read"),
        ((*enroll, tmp_path / "two"), "must hold one key"),
        ((*enroll, tmp_path / "bytes"), "cannot be read"),
        (("admin", "audit", *admin, "--token-file", tmp_path / "absent"), "cannot read"),
        (("admin", "audit", *admin, "--token-file", tmp_path / "two"), "holds no token"),
        (("admin", "audit", *admin, "--token-file", tmp_path / "bytes"), "holds no token"),
        (("admin", "audit", *admin, "--tls-cert", tmp_path / "two"), "needs both"),
        (("admin", "devices", "revoke", "xyz", *admin), "32 hexadecimal digits"),
        (("admin", "keys", "create", "--population", "p", "--valid-days", "0", *admin), "at most 366"),
        (("admin", "add", "a b", "--role", "admin", "--state", tmp_path / "state"), "is no name"),
        (("admin", "list", "--state", tmp_path / "two"), "state folder"),
        (("plan", "verify", tmp_path / "absent", "--publisher", tmp_path / "two"), "is not there"),
        (("plan", "sign", tmp_path / "two", "--key", tmp_path / "two"), ""),
    ):
        status, _, err = fieldfare(*argv)
        assert status in {1, 2}
        assert words in err
        assert len(err.splitlines()) == 1, err


def test_plans_are_signed_and_verified(tmp_path: Path, aggregator: Aggregator) -> None:
    plan, key = tmp_path / "plan.tflite", tmp_path / "publisher.pem"
    plan.write_bytes(PLAN)
    assert fieldfare("plan", "keygen", key)[0] == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "is there already" in fieldfare("plan", "keygen", key)[2]
    assert fieldfare("plan", "sign", plan, "--key", key)[0] == 0
    public = tmp_path / "publisher.pem.pub"
    assert fieldfare("plan", "verify", plan, "--publisher", public)[0] == 0
    # Another tool reads the keys too.
    subprocess.run(["openssl", "pkey", "-in", key, "-noout"], check=True)
    fieldfare("plan", "keygen", tmp_path / "other.pem")
    status, _, err = fieldfare("plan", "verify", plan, "--publisher", tmp_path / "other.pem.pub")
    assert (status, "is not signed by" in err) == (1, True)
    weights = {"dense/kernel": np.array([[1], [2]], np.float32), "dense/bias": np.array([3], np.float32)}
    save_file(weights, tmp_path / "start.safetensors")
    flags = ("--name", "first", "--population", "p", "--weights", tmp_path / "start.safetensors")
    signed = ("--signature", tmp_path / "plan.tflite.sig", "--admin", aggregator.admin_address)
    status, _, err = fieldfare("task", "submit", plan, *flags, *signed)
    assert status == 0, err
    plan.write_bytes(PLAN[:-1] + bytes([PLAN[-1] ^ 1]))
    assert fieldfare("plan", "verify", plan, "--publisher", public)[0] == 1
    with AdminClient(aggregator.admin_address) as client:
        assert client.show("first").spec.population == "p"


def test_a_key_may_come_from_standard_input(tmp_path: Path, aggregator: Aggregator) -> None:
    with AdminClient(aggregator.admin_address) as client:
        (key,) = client.create_keys("p", 1, timedelta(hours=1))
    command = [*FIELDFARE, "device", "enroll", "--folder", tmp_path / "d", "--aggregator", aggregator.address]
    done = subprocess.run(
        [*command, "--key-file", "-"], input=f"{key}\n", capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stdout.startswith("enrolled in population p"), done.stderr
    assert process("device", "ledger", "--folder", tmp_path / "d").stdout.count("enroll") == 2


def test_credentials_of_replicas_rest_in_their_data_base(postgres: PostgresServer) -> None:
    where = ("--database", postgres.new_database())
    status, token, _ = fieldfare("admin", "add", "ada", "--role", "viewer", *where)
    assert (status, token.startswith("ffa.ada.")) == (0, True)
    assert "viewer" in fieldfare("admin", "list", *where)[1]
    assert fieldfare("admin", "revoke", "ada", *where)[0] == 0
    status, _, err = fieldfare("admin", "list", "--database", "postgresql://127.0.0.1:1/none")
    assert (status, len(err.splitlines())) == (1, 1)
