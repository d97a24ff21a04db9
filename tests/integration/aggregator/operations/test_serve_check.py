"""`fieldfare serve --check` and `--print-config`: each thing that can be wrong is found and named."""

import re
import shutil
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from fieldfare.aggregator import Aggregator, ServerSettings
from fieldfare.aggregator.settings import StorageSettings
from fieldfare.core.access import Role
from tests.integration.aggregator.test_commands import fieldfare
from tests.integration.security.callers import credential
from tests.support.certificates import Authority
from tests.support.shared_storage import PostgresServer, postgres  # noqa: F401 - a fixture

FREE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")


def check(*flags: str | Path) -> tuple[int, dict[str, str]]:
    status, output = fieldfare("serve", *FREE, *flags, "--check")
    lines = [line.split(maxsplit=2) for line in output.splitlines()]
    assert all(line[0] in {"ok", "FAILED"} for line in lines), output
    assert status == int(any(line[0] == "FAILED" for line in lines))
    return status, {line[1]: f"{line[0]} {line[2]}" for line in lines}


def test_all_is_well(tmp_path: Path) -> None:
    status, found = check("--state", tmp_path / "state", "--metrics-listen", "127.0.0.1:0")
    assert status == 0
    assert list(found) == ["rules", "devices", "admin", "metrics", "callers", "storage", "admins"]
    assert found["storage"].endswith("the data base is made at the first start")
    assert found["admins"] == "ok administrators need no credential until `fieldfare admin add` makes the first"
    assert not list((tmp_path / "state" / "blobs").iterdir())
    with Aggregator(tmp_path / "state"):
        status, found = check("--state", tmp_path / "state")
        assert status == 1
        assert "another aggregator is running" in found["storage"]
    status, found = check("--state", tmp_path / "state")
    assert status == 0
    assert "has the present schema" in found["storage"]


def test_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a folder" in check("--state", tmp_path / "file")[1]["storage"]
    state = tmp_path / "state"
    with Aggregator(state):
        pass
    engine = create_engine(f"sqlite:///{state / 'fieldfare.db'}")
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    assert "upgrade Fieldfare" in check("--state", state)[1]["storage"]
    (state / "fieldfare.db").write_bytes(b"no data base at all" * 100)
    assert "cannot open the data base" in check("--state", state)[1]["storage"]
    shutil.rmtree(state / "blobs")
    (state / "fieldfare.db").unlink()
    (state / "blobs").write_text("")
    assert "cannot use the folder" in check("--state", state)[1]["storage"]


def test_shared_storage(tmp_path: Path, postgres: PostgresServer) -> None:  # noqa: F811
    (tmp_path / "blobs").mkdir()
    url = postgres.new_database()
    shared = ("--database", url, "--blobs", f"file://{tmp_path / 'blobs'}", "--state", tmp_path / "state")
    status, found = check(*shared)
    assert (status, found["storage"].endswith("the data base is made at the first start")) == (0, True)
    settings = ServerSettings(storage=StorageSettings(database=url, blobs=f"file://{tmp_path / 'blobs'}"))
    with Aggregator(tmp_path / "state", settings=settings):
        pass
    status, found = check(*shared)
    assert (status, "has the present schema" in found["storage"]) == (0, True)
    away = postgres.url("nowhere")
    status, found = check(*shared[2:], "--database", away)
    assert status == 1
    assert "cannot open the data base" in found["storage"]


def test_administration_from_other_machines_needs_a_credential(tmp_path: Path) -> None:
    pair, state = Authority(tmp_path).issue("one"), tmp_path / "state"
    beyond = ("--admin-listen", "0.0.0.0:0", "--admin-tls-cert", pair.cert, "--admin-tls-key", pair.key)
    for _ in range(2):
        status, found = check("--state", state, *beyond)
        assert (status, "credentials are needed" in found["admins"]) == (1, True)
        with Aggregator(state):
            pass
    credential(tmp_path, "ada", Role.VIEWER)
    status, found = check("--state", state, *beyond)
    assert (status, found["admins"]) == (0, "ok administrators need a credential")


def test_ports_and_rules(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        found = check("--state", tmp_path, "--listen", where, "--metrics-listen", where)[1]
        assert "is taken" in found["devices"]
        assert "is taken" in found["metrics"]
        assert found["admin"].startswith("ok")
    found = check("--state", tmp_path, "--listen", "0.0.0.0:0")[1]
    assert "TLS is needed" in found["rules"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("good", "ok .*fits"),
        ("soon", "renew it soon"),
        ("expired", "FAILED .*expired on"),
        ("other key", "FAILED .*is not the private key"),
        ("no key", "FAILED cannot read"),
        ("no certificate", "FAILED .*is no chain of certificates"),
    ],
)
def test_certificates(tmp_path: Path, kind: str, words: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("one", lasts=timedelta(days={"soon": 3, "expired": -1}.get(kind, 100)))
    cert, key = pair.cert, pair.key
    if kind == "other key":
        key = authority.issue("two").key
    if kind == "no key":
        key.unlink()
    if kind == "no certificate":
        cert.write_text("hello")
    found = check("--state", tmp_path / "state", "--tls-cert", cert, "--tls-key", key)[1]
    assert re.search(words, found["tls"]), found["tls"]


def test_a_printed_configuration_runs(tmp_path: Path) -> None:
    flags = ("--state", str(tmp_path / "state"), "--set", "limits.max_reports=7", "--set", "engine.receipt_wait=2s")
    status, output = fieldfare("serve", *FREE, *flags, "--print-config")
    assert status == 0
    assert '\nreceipt_wait = "2s"' in output
    (tmp_path / "aggregator.toml").write_text(output)
    status, output = fieldfare("serve", "--config", tmp_path / "aggregator.toml", "--print-config")
    assert output.encode() == (tmp_path / "aggregator.toml").read_bytes()
    assert fieldfare("serve", "--config", tmp_path / "aggregator.toml", "--check")[0] == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "give --state DIR"),
        (("--set", "pace"), "--set: needs KEY=VALUE"),
        (("--set", "pace=3"), "pace: must be a table"),
        (("--set", "limits.max_report=3"), "did you mean 'max_reports'?"),
        (("--come-back-s", "0"), "--come-back-s: must be a number of seconds"),
        (("--config", "nowhere.toml"), "cannot read nowhere.toml"),
    ],
)
def test_mistakes_get_one_clear_line(flags: tuple[str, ...], words: str) -> None:
    status, output = fieldfare("serve", *FREE, *flags)
    assert status == 2
    assert words in output
    assert output.count("\n") == 1


def test_authorities_and_publishers_are_read(tmp_path: Path) -> None:
    (tmp_path / "publisher.pem.pub").write_text("nothing")
    status, found = check(
        "--state", tmp_path / "state", "--set", f'security.publishers=["{tmp_path}/publisher.pem.pub"]'
    )
    assert status == 1
    assert "this is no public key" in found["callers"]
