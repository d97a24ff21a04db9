"""What replicas share, for real: a PostgreSQL server of the distribution's packages, and a server that speaks S3.

Each is one process for a test session, in a temporary folder, and is ended by its process id. `.ci/run` sets
FIELDFARE_TEST_POSTGRES=required, which makes a missing PostgreSQL a failure; elsewhere its tests are skipped.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.support.commands import free_port
from tests.support.fleet_threads import wait_until

ALWAYS = "FIELDFARE_TEST_POSTGRES"


def postgres_programs() -> Path | None:
    """The folder with the newest `initdb` and `postgres`."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    for folder in [*packaged, *on_path]:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    return None


class PostgresServer:
    """A server on a socket in its own folder; nothing listens on the network."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.process = process

    def url(self, database: str) -> str:
        return f"postgresql://fieldfare@/{database}?host={quote(str(self.folder), safe='')}"

    def new_database(self) -> str:
        """URL of an empty data base."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f"create database {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    root = Path(tempfile.mkdtemp(prefix="ff-pg-"))
    # PostgreSQL refuses to run as root.
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    as_user: dict[str, Any] = (
        {} if nobody is None else {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
    )
    if nobody is not None:
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
    process = None
    try:
        data, log = root / "data", (root / "log").open("w+b")
        with log:
            options = ("--auth=trust", "--username=fieldfare", "--encoding=UTF8", "--locale=C", "--no-sync")
            command = [programs / "initdb", "-D", data, *options]
            subprocess.run(command, check=True, timeout=120, cwd=root, stdout=log, stderr=log, **as_user)
            settings = {"listen_addresses": "", "unix_socket_directories": str(root), "max_connections": "100"}
            given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            command = [programs / "postgres", "-D", data, *given]
            process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, **as_user)
            server = PostgresServer(root, process)
            wait_until(lambda: _answers(server), "PostgreSQL to answer")
            yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(root, ignore_errors=True)


def _answers(server: PostgresServer) -> bool:
    import psycopg

    assert server.process.poll() is None, (server.folder / "log").read_text()
    try:
        server.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = postgres_programs()
    if programs is None:
        why = "PostgreSQL is not installed (no initdb in /usr/lib/postgresql/*/bin or PATH)"
        if os.environ.get(ALWAYS) == "required":
            pytest.fail(f"{why}: install the package postgresql")
        pytest.skip(why)
    with running_postgres(programs) as server:
        yield server


class S3Server:
    """moto's server: a maintained implementation of the S3 protocol over HTTP that is installed by pip."""

    def __init__(self, port: int) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def new_bucket(self) -> str:
        """URL of a prefix in an empty bucket."""
        import botocore.session

        name = f"test-{uuid4().hex[:12]}"
        client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )
        client.create_bucket(Bucket=name)
        client.close()
        return f"s3://{name}/fieldfare"


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _listens(process, port), "the S3 server to listen")
            yield S3Server(port)
        finally:
            process.kill()


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    import socket

    assert process.poll() is None, "the S3 server has ended"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
