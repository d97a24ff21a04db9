"""From what an operator writes to the store."""

from pathlib import Path

from fieldfare.aggregator.storage._protocols import BlobStore
from fieldfare.aggregator.storage.blobs._folder import FolderBlobStore
from fieldfare.aggregator.storage.blobs._object_store import ObjectBlobStore
from fieldfare.core.errors import ConfigError


def open_blobs(url: str) -> BlobStore:
    """A store that several replicas share.

    Only stores whose blobs appear whole and durable are taken. fsspec's local files are neither synced nor renamed into
    place, so a folder is served by `FolderBlobStore`.

    Args:
        url: "s3://BUCKET/PREFIX", or "file:///FOLDER" on a file system that every replica mounts.

    Raises:
        ConfigError: another URL, or a missing extra.
        StorageError: it cannot be used.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderBlobStore(Path(rest), shared=True)
    if scheme == "s3":
        return ObjectBlobStore(url)
    raise ConfigError(f"{url!r} is no place for blobs: give s3://BUCKET/PREFIX or file:///FOLDER", field="blobs")
