"""Blobs in an S3-compatible object store, through fsspec."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from fieldfare.aggregator.storage._errors import DamagedError
from fieldfare.core.errors import ConfigError, StorageError

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_ATTEMPTS = 3
_PART_BYTES = 32 * 2**20


class ObjectBlobStore:
    """A `BlobStore` under a prefix of a bucket. Blobs appear as wholes, since S3 shows an object once it is complete.

    Every request has a time limit (5 s to connect, 30 s without a byte) and is tried three times by the client
    library. Credentials, region and endpoint are found where every S3 client finds them: the environment
    (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`), `~/.aws`, or the machine's role.

    Args:
        url: "s3://bucket" or "s3://bucket/prefix".

    Raises:
        ConfigError: no such URL, or the extra `s3` is not installed.
        StorageError: the bucket is not there, or cannot be reached.
    """

    def __init__(self, url: str) -> None:
        scheme, _, path = url.partition("://")
        self._root = path.rstrip("/")
        if scheme != "s3" or any(part in {"", ".", ".."} for part in self._root.split("/")):
            raise ConfigError(f"{url!r} is no place for blobs: give s3://BUCKET/PREFIX", field="blobs")
        self._files, self._failures = _connect()
        bucket, _, prefix = self._root.partition("/")
        with self._failing("use the object store", url):
            try:
                self._files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
            except FileNotFoundError as error:
                raise StorageError(f"there is no bucket {bucket!r}: make it before the aggregator starts") from error

    def put(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """See `BlobStore.put`. S3 acknowledges what is stored redundantly."""
        with self._failing("write the blob", key):
            content = b"".join(parts)
            self._files.pipe_file(self._path(key), content, chunksize=_PART_BYTES)

    def get(self, key: str) -> bytes:
        """See `BlobStore.get`."""
        with self._failing("read the blob", key):
            content: bytes = self._files.cat_file(self._path(key))
            return content

    def read(self, key: str, offset: int, length: int) -> bytes:
        """See `BlobStore.read`."""
        with self._failing("read the blob", key):
            try:
                return bytes(self._files.cat_file(self._path(key), start=offset, end=offset + length))
            except OSError as error:
                # S3 refuses a range that begins at the end or beyond.
                if error.errno != errno.EINVAL:
                    raise
                return b""

    def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        with self._failing("remove the blob", key):
            self._files.rm_file(self._path(key))

    def keys(self, prefix: str = "", *, written_before: datetime | None = None) -> Iterator[str]:
        """See `BlobStore.keys`."""
        with self._failing("list the blobs", prefix or "of the store"):
            found: dict[str, dict[str, Any]] = self._files.find(self._root, prefix=prefix, detail=True)
        for path, info in sorted(found.items()):
            # A store that gets its first blob meanwhile shows up as a folder, which has no time.
            is_blob = info["type"] == "file"
            if is_blob and (written_before is None or info["LastModified"] < written_before):
                yield path.removeprefix(f"{self._root}/")

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _failing(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise DamagedError(f"the blob {name} is gone") from error
        except self._failures as error:
            raise StorageError(f"cannot {what} {name}: {getattr(error, 'strerror', None) or error}") from error


def _connect() -> tuple[Any, tuple[type[Exception], ...]]:
    """The file system, and what it raises where it fails."""
    try:
        from botocore.exceptions import BotoCoreError
        from s3fs import S3FileSystem
    except ImportError as error:
        raise ConfigError("s3:// needs an extra: pip install 'fieldfare[s3]'", field="blobs") from error
    limits = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "read_timeout": _READ_TIMEOUT_S,
        "retries": {"max_attempts": _ATTEMPTS, "mode": "standard"},
    }
    # Nothing is remembered between calls: other replicas write too. An instance of its own is closed with its owner.
    files = S3FileSystem(config_kwargs=limits, use_listings_cache=False, skip_instance_cache=True)
    files.retries = 1
    return files, (OSError, BotoCoreError)
