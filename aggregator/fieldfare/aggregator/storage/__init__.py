"""Where tasks, rounds, snapshots and checkpoints rest: two small interfaces, each with two implementations.

One machine has SQLite and a folder; several replicas share PostgreSQL and an object store. `tests/unit/aggregator`
holds the contract test that every implementation must pass. Calls block and may come from several threads at once.
"""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
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

_HOMES = {
    "AuditRecord": "fieldfare.aggregator.storage._security_records",
    "BlobStore": "fieldfare.aggregator.storage._protocols",
    "CachedBlobStore": "fieldfare.aggregator.storage.blobs",
    "CheckpointRecord": "fieldfare.aggregator.storage._records",
    "CredentialRecord": "fieldfare.aggregator.storage._security_records",
    "DATABASE_FILE": "fieldfare.aggregator.storage._state_folder",
    "DamagedError": "fieldfare.aggregator.storage._errors",
    "Database": "fieldfare.aggregator.storage._protocols",
    "DeviceRecord": "fieldfare.aggregator.storage._security_records",
    "FolderBlobStore": "fieldfare.aggregator.storage.blobs",
    "ObjectBlobStore": "fieldfare.aggregator.storage.blobs",
    "PartRecord": "fieldfare.aggregator.storage._parts",
    "Parts": "fieldfare.aggregator.storage._protocols",
    "RoundRecord": "fieldfare.aggregator.storage._records",
    "RoundView": "fieldfare.aggregator.storage._parts",
    "ShareRecord": "fieldfare.aggregator.storage._parts",
    "SnapshotRecord": "fieldfare.aggregator.storage._records",
    "SqlDatabase": "fieldfare.aggregator.storage.sql",
    "StateFolder": "fieldfare.aggregator.storage._state_folder",
    "TaskRecord": "fieldfare.aggregator.storage._records",
    "artifact_key": "fieldfare.aggregator.storage._protocols",
    "counts_of": "fieldfare.aggregator.storage._parts",
    "damage": "fieldfare.aggregator.storage._errors",
    "open_blobs": "fieldfare.aggregator.storage.blobs",
    "open_postgresql": "fieldfare.aggregator.storage.sql",
    "open_sqlite": "fieldfare.aggregator.storage.sql",
    "with_parts": "fieldfare.aggregator.storage._parts",
}

__getattr__ = late_imports(__name__, _HOMES)
