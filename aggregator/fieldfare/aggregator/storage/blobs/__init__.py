"""Where plans, checkpoints and snapshots lie: in a folder, or in an object store."""

from fieldfare.aggregator.storage.blobs._cached import CachedBlobStore
from fieldfare.aggregator.storage.blobs._folder import FolderBlobStore
from fieldfare.aggregator.storage.blobs._object_store import ObjectBlobStore
from fieldfare.aggregator.storage.blobs._urls import open_blobs

__all__ = ["CachedBlobStore", "FolderBlobStore", "ObjectBlobStore", "open_blobs"]
