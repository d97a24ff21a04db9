"""Blobs as files: written beside, synced, then renamed into place."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from fieldfare.aggregator.storage._errors import DamagedError
from fieldfare.core.errors import StorageError
from fieldfare.core.files import HALF_WRITTEN, sync_folder, write_atomically


class FolderBlobStore:
    """A `BlobStore` in a folder of its own.

    Args:
        root: the folder; made if it is not there. Files that a crash left half-written are removed.

    Raises:
        StorageError: the folder cannot be made or read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            for path in root.rglob(f"*{HALF_WRITTEN}"):
                path.unlink()
        except OSError as error:
            raise StorageError(f"cannot use the folder {root}: {error.strerror or error}") from error

    def put(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """See `BlobStore.put`."""
        path = self._root / key
        self._make_folder(path.parent)
        write_atomically(path, parts)

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
        """See `BlobStore.delete`."""
        try:
            (self._root / key).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove the blob {key}: {error.strerror or error}") from error

    def keys(self) -> Iterator[str]:
        """See `BlobStore.keys`."""
        for path in self._root.rglob("*"):
            if path.is_file() and path.suffix != HALF_WRITTEN:
                yield path.relative_to(self._root).as_posix()

    def _make_folder(self, folder: Path) -> None:
        missing = [folder, *folder.parents]
        missing = [one for one in missing[: missing.index(self._root)] if not one.exists()]
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            sync_folder(one.parent)
