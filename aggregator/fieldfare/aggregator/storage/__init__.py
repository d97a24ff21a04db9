"""Where tasks, rounds, snapshots and checkpoints rest: two small interfaces, each with two implementations.

One machine has SQLite and a folder; several replicas share PostgreSQL and an object store. `tests/unit/aggregator`
holds the contract test that every implementation must pass. Calls block and may come from several threads at once.
"""

from fieldfare.aggregator.storage._errors import DamagedError, damage
from fieldfare.aggregator.storage._parts import PartRecord, RoundView, ShareRecord, counts_of, with_parts
from fieldfare.aggregator.storage._protocols import BlobStore, Database, Parts, artifact_key
from fieldfare.aggregator.storage._records import CheckpointRecord, RoundRecord, SnapshotRecord, TaskRecord
from fieldfare.aggregator.storage._security_records import AuditRecord, CredentialRecord, DeviceRecord
from fieldfare.aggregator.storage._state_folder import DATABASE_FILE, StateFolder
from fieldfare.aggregator.storage.blobs import CachedBlobStore, FolderBlobStore, ObjectBlobStore, open_blobs
from fieldfare.aggregator.storage.sql import SqlDatabase, open_postgresql, open_sqlite

__all__ = [
    "DATABASE_FILE",
    "AuditRecord",
    "BlobStore",
    "CachedBlobStore",
    "CheckpointRecord",
    "CredentialRecord",
    "DamagedError",
    "Database",
    "DeviceRecord",
    "FolderBlobStore",
    "ObjectBlobStore",
    "PartRecord",
    "Parts",
    "RoundRecord",
    "RoundView",
    "ShareRecord",
    "SnapshotRecord",
    "SqlDatabase",
    "StateFolder",
    "TaskRecord",
    "artifact_key",
    "counts_of",
    "damage",
    "open_blobs",
    "open_postgresql",
    "open_sqlite",
    "with_parts",
]
