"""What is particular to PostgreSQL and to S3, beyond the contracts in test_storage.py."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from fieldfare.aggregator.settings import StorageSettings
from fieldfare.aggregator.storage import (
    CachedBlobStore,
    DamagedError,
    FolderBlobStore,
    ObjectBlobStore,
    artifact_key,
    open_blobs,
    open_postgresql,
)
from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.core.errors import ConfigError, StorageError
from tests.support.commands import free_port
from tests.support.shared_storage import PostgresServer, S3Server


def test_replicas_that_start_together_make_one_schema(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with ThreadPoolExecutor(3) as threads:
        databases = list(threads.map(open_postgresql, [url] * 3))
    assert len({database.ticket_key() for database in databases}) == 1
    with databases[0]._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
    for database in databases:
        database.close()


def test_a_newer_postgresql_schema_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = open_postgresql(url)
    with database._engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    database.close()
    with pytest.raises(StorageError, match="format 9999"):
        open_postgresql(url)


def test_a_server_that_may_lose_commits_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    name = url.rpartition("/")[2].partition("?")[0]
    postgres.execute(f"alter database {name} set synchronous_commit = off")
    with pytest.raises(StorageError, match="synchronous_commit=off"):
        open_postgresql(url)
    postgres.execute(f"alter database {name} set synchronous_commit = on")
    open_postgresql(url).close()


def test_a_server_that_goes_away_is_storage_that_fails_for_a_while(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = open_postgresql(url)
    with pytest.raises(StorageError, match="terminating connection"), database._write() as connection:
        connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert database.tasks() == []
    database.close()


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql+psycopg2://h/d", "nonsense", ""])
def test_what_is_no_postgresql(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^database: give postgresql://"):
        open_postgresql(url)


def test_a_server_that_is_not_there_and_a_password_that_is_not_shown() -> None:
    with pytest.raises(StorageError, match="cannot use the PostgreSQL data base") as caught:
        open_postgresql(f"postgresql://someone:secret-word@127.0.0.1:{free_port()}/d")
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://b/../x", "s3://b//x", "memory://x", "file://x", "x"])
def test_what_is_no_place_for_blobs(url: str) -> None:
    with pytest.raises(ConfigError, match="is no place for blobs"):
        open_blobs(url)


def test_a_bucket_that_is_not_there(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="no bucket 'nobody'"):
        ObjectBlobStore("s3://nobody/x")


def test_an_object_store_that_goes_away(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="cannot use the object store"):
        ObjectBlobStore("s3://bucket/x")


def test_a_large_blob_goes_in_parts(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    store = open_blobs(s3.new_bucket())
    content = bytes(range(256)) * (70 * 2**12)
    store.put("large", (content[at : at + 2**20] for at in range(0, len(content), 2**20)))
    assert store.get("large") == content
    assert store.read("large", 40 * 2**20 + 3, 5) == b"\3\4\5\6\7"


def test_a_first_blob_that_comes_while_the_store_is_listed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    store = ObjectBlobStore(s3.new_bucket())
    listing = store._files._lsdir

    async def listed_too_early(path: str, **options: Any) -> Any:
        """The client library then asks what the empty place is, and finds a folder."""
        found = await listing(path, **options)
        await store._files._pipe_file(f"{path}/first", b"x")
        return found

    later = datetime.now(UTC) + timedelta(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(store._files, "_lsdir", listed_too_early)
        assert list(store.keys(written_before=later)) == []
    assert list(store.keys(written_before=later)) == ["first"]


def test_artifacts_are_read_from_the_shared_store_once(tmp_path: Path) -> None:
    inner, local = FolderBlobStore(tmp_path / "inner"), FolderBlobStore(tmp_path / "local")
    local.put("artifacts/left", [b"x"])
    store = CachedBlobStore(inner, local, 20)
    keys = []
    for content in (b"first" * 2, b"second" * 2, b"third" * 20):
        keys.append(artifact_key(hashlib.sha256(content).digest()))
        store.put(keys[-1], [content])
    assert store.read(keys[0], 5, 3) == b"fir"
    inner.delete(keys[0])
    assert store.read(keys[0], 0, 5) == b"first"
    assert list(local.keys()) == [keys[0]]
    # Twelve bytes more do not fit beside these ten, and what is larger than all is kept alone.
    assert store.read(keys[1], 0, 6) == b"second"
    assert list(local.keys()) == [keys[1]]
    assert store.read(keys[2], 5, 5) == b"third"
    assert list(local.keys()) == [keys[2]]
    inner.put(keys[1], [b"damaged"])
    with pytest.raises(DamagedError, match="does not match its name"):
        store.read(keys[1], 0, 1)


def test_replicas_leave_each_others_files_in_a_shared_folder(tmp_path: Path) -> None:
    one = open_blobs(f"file://{tmp_path}")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".b.1-2.part").write_bytes(b"half")
    other = open_blobs(f"file://{tmp_path}")
    one.put("a/c", [b"x"])
    other.delete("a/c")
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".b.1-2.part"]
    assert list(other.keys()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"database": "postgresql://u@h/d"}, "storage.blobs: several replicas need both"),
        ({"blobs": "s3://b/p"}, "storage.blobs: several replicas need both"),
        ({"database": "postgresql://u:secret-word@h/d", "blobs": "s3://b/p"}, "storage.database: give the password in"),
        ({"database": "postgresql://u@h/d?password=x", "blobs": "s3://b/p"}, "storage.database: give the password in"),
        ({"database": "postgresql://[h/d", "blobs": "s3://b/p"}, "storage.database: give postgresql://"),
        ({"replica": "a b"}, "storage.replica: must have 1 to 40"),
        ({"poll": timedelta(seconds=5)}, "storage.replica_patience: must be at least four times poll"),
        ({"unused_for": timedelta(minutes=5)}, "storage.unused_for: must be at least 1h"),
        ({"max_cache_bytes": 0}, "storage.max_cache_bytes: must be at least 1"),
    ],
)
def test_settings_of_storage_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StorageSettings(**settings)
    assert str(caught.value).startswith(message)
    assert "secret-word" not in str(caught.value)
