"""Where plans, checkpoints and snapshots lie."""

from fieldfare.aggregator.storage.blobs._folder import FolderBlobStore

__all__ = ["FolderBlobStore"]
