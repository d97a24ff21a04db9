"""Artifacts of a shared store, read from it once and then served from this machine's disk."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime

from fieldfare.aggregator.storage._errors import DamagedError
from fieldfare.aggregator.storage._protocols import BlobStore, artifact_key
from fieldfare.aggregator.storage.blobs._folder import FolderBlobStore
from fieldfare.core.errors import StorageError

_ARTIFACTS = artifact_key(b"")


class CachedBlobStore:
    """A `BlobStore` in front of another one. Plans and checkpoints never change, since their content names them.

    The oldest go when there are more bytes than fit; one is always kept. A disk that fails costs the cache, no more.

    Args:
        inner: the shared store.
        folder: a folder of this process's own.
        max_bytes: of what is kept.

    Raises:
        StorageError: what an earlier process has left cannot be removed.
    """

    def __init__(self, inner: BlobStore, folder: FolderBlobStore, max_bytes: int) -> None:
        self._inner = inner
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        for key in list(folder.keys()):
            folder.delete(key)

    def put(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """See `BlobStore.put`."""
        self._inner.put(key, parts)

    def get(self, key: str) -> bytes:
        """See `BlobStore.get`. Whoever needs the whole checks it or keeps it, so it comes from the shared store."""
        return self._inner.get(key)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """See `BlobStore.read`."""
        if not key.startswith(_ARTIFACTS):
            return self._inner.read(key, offset, length)
        with self._lock:
            # One at a time: of a cohort that begins, every device asks for the same.
            if key not in self._sizes and not self._take(key):
                return self._inner.read(key, offset, length)
            self._sizes.move_to_end(key)
            return self._folder.read(key, offset, length)

    def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        self._inner.delete(key)

    def keys(self, prefix: str = "", *, written_before: datetime | None = None) -> Iterator[str]:
        """See `BlobStore.keys`."""
        return self._inner.keys(prefix, written_before=written_before)

    def _take(self, key: str) -> bool:
        """Whether it is on this machine's disk now."""
        content = self._inner.get(key)
        if artifact_key(hashlib.sha256(content).digest()) != key:
            raise DamagedError(f"the blob {key} is damaged: its content does not match its name")
        try:
            self._folder.put(key, [content])
        except StorageError:
            # Safe: the shared store has it.
            return False
        self._sizes[key] = len(content)
        while sum(self._sizes.values()) > self._max_bytes and len(self._sizes) > 1:
            oldest, _ = self._sizes.popitem(last=False)
            self._folder.delete(oldest)
        return True
