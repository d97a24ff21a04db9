"""Blobs as files: written beside, synced, then renamed into place."""

import contextlib
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from fieldfare.aggregator.storage._errors import DamagedError
from fieldfare.core.errors import StorageError
from fieldfare.core.files import HALF_WRITTEN, sync_folder, write_atomically


class FolderBlobStore:
    """A `BlobStore` in a folder of its own.

    Args:
        root: the folder; made if it is not there. What a crash left is removed: half-written files, empty folders.
        shared: other processes use the folder too: nothing of theirs is removed, and no folders.

    Raises:
        StorageError: the folder cannot be made or read.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self._root = root
        self._shared = shared
        self._folders = threading.Lock()
        self._in_use: Counter[Path] = Counter()
        try:
            root.mkdir(parents=True, exist_ok=True)
            if shared:
                return
            for path in root.rglob(f"*{HALF_WRITTEN}"):
                path.unlink()
            # What lies deeper sorts later, so a folder of empty folders is empty when its turn comes.
            for folder in sorted((one for one in root.rglob("*") if one.is_dir()), reverse=True):
                self._remove_if_empty(folder)
        except OSError as error:
            raise StorageError(f"cannot use the folder {root}: {error.strerror or error}") from error

    def put(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """See `BlobStore.put`."""
        path = self._root / key
        try:
            # A folder between the making and the first file in it is empty: no `delete` may come in between.
            with self._folders:
                self._make_folder(path.parent)
                self._in_use[path.parent] += 1
        except OSError as error:
            raise StorageError(f"cannot write the blob {key}: {error.strerror or error}") from error
        try:
            write_atomically(path, parts)
        finally:
            with self._folders:
                self._in_use[path.parent] -= 1
                if not self._in_use[path.parent]:
                    del self._in_use[path.parent]

    def get(self, key: str) -> bytes:
        """See `BlobStore.get`."""
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError as error:
            raise DamagedError(f"the blob {key} is gone") from error
        except OSError as error:
            raise StorageError(f"cannot read the blob {key}: {error.strerror or error}") from error

    def read(self, key: str, offset: int, length: int) -> bytes:
        """See `BlobStore.read`."""
        try:
            with (self._root / key).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError as error:
            raise DamagedError(f"the blob {key} is gone") from error
        except OSError as error:
            raise StorageError(f"cannot read the blob {key}: {error.strerror or error}") from error

    def delete(self, key: str) -> None:
        """See `BlobStore.delete`. Folders that are empty then go too."""
        path = self._root / key
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove the blob {key}: {error.strerror or error}") from error
        if self._shared:
            return
        with self._folders:
            for folder in path.parents:
                if folder == self._root or folder in self._in_use or not self._remove_if_empty(folder):
                    break

    def keys(self, prefix: str = "", *, written_before: datetime | None = None) -> Iterator[str]:
        """See `BlobStore.keys`."""
        bound = None if written_before is None else written_before.timestamp()
        for path in self._root.rglob("*"):
            key = path.relative_to(self._root).as_posix()
            if not key.startswith(prefix) or path.suffix == HALF_WRITTEN:
                continue
            # Safe: what another replica removes meanwhile is no blob any more.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if stat.S_ISREG(found.st_mode) and (bound is None or found.st_mtime < bound):
                    yield key

    @staticmethod
    def _remove_if_empty(folder: Path) -> bool:
        try:
            folder.rmdir()
        except OSError:
            # Safe: it is not empty, or not there; and one that stays does no harm.
            return False
        return True

    def _make_folder(self, folder: Path) -> None:
        missing = [folder, *folder.parents]
        missing = [one for one in missing[: missing.index(self._root)] if not one.exists()]
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            sync_folder(one.parent)
