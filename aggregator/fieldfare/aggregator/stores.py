"""The stores that the settings name."""

import contextlib
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from fieldfare.aggregator.settings import StorageSettings
from fieldfare.aggregator.storage import (
    BlobStore,
    CachedBlobStore,
    FolderBlobStore,
    SqlDatabase,
    StateFolder,
    open_blobs,
    open_postgresql,
    open_sqlite,
)

__all__ = ["Stores", "open_stores"]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where rows and blobs go.

    Attributes:
        replica: this process's name among those that share them; empty where it is alone.
    """

    database: SqlDatabase
    blobs: BlobStore
    replica: str = ""


@contextlib.contextmanager
def open_stores(folder: StateFolder, settings: StorageSettings) -> Iterator[Stores]:
    """SQLite and a folder, or what replicas share; closed at the end.

    Raises:
        ConfigError: a URL that is none, or a missing extra.
        StorageError: one of them cannot be used.
    """
    if settings.database is None or settings.blobs is None:
        with contextlib.closing(open_sqlite(folder.database_file)) as database:
            yield Stores(database, FolderBlobStore(folder.blobs))
        return
    blobs = CachedBlobStore(open_blobs(settings.blobs), FolderBlobStore(folder.cache), settings.max_cache_bytes)
    with contextlib.closing(open_postgresql(settings.database)) as database:
        name = settings.replica or re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:40]
        # A name is used once: what a process of the same machine wrote before it died is not this one's.
        yield Stores(database, blobs, f"{name}-{secrets.token_hex(4)}")
