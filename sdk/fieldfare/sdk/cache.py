"""Plans and checkpoints by their digest: downloads resume, content is checked, the least recently used goes first."""

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from fieldfare.core.errors import ProtocolError, StorageError, TransportError
from fieldfare.core.files import OWNER_ONLY, sync_folder
from fieldfare.core.sessions import Artifact
from fieldfare.protos.v1 import aggregator_pb2

__all__ = ["DEFAULT_LIMIT_BYTES", "ArtifactCache"]

DEFAULT_LIMIT_BYTES = 2 * 2**30
"""How much a cache keeps unless told otherwise."""

_LOG = logging.getLogger("fieldfare.sdk")
_PART = ".part"
_READ_BYTES = 1 << 20
_MOST_UNFINISHED = 3
_FULL = {errno.ENOSPC, errno.EDQUOT}

OpenStream = Callable[[int], Iterator[aggregator_pb2.ArtifactChunk]]
"""Opens a download at the offset that it is given."""


class ArtifactCache:
    """A folder of files that are named by their SHA-256. For one process at a time.

    Args:
        folder: made where it is absent.
        limit_bytes: above this, the files that were not used for the longest time are removed before a download. What
            is in use stays: there is never more than the limit or, where that is more, what is in use. Of downloads
            that were broken off, three stay beside the one under way, within the limit.
    """

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._checked: set[str] = set()
        self._mismatched: set[str] = set()

    def path(self, artifact: Artifact) -> Path | None:
        """The file, once size and digest are checked; None where it is absent. A damaged file is removed.

        Raises:
            StorageError: the folder cannot be read.
        """
        return self.path_of(artifact.hex, artifact.size_bytes)

    def path_of(self, digest: str, size_bytes: int | None = None) -> Path | None:
        """Like `path`, by the hexadecimal digest."""
        path = self._folder / digest
        try:
            if not path.is_file():
                return None
            # The digest is computed once in a process: after a power cut a file may hold anything.
            if digest not in self._checked:
                if (size_bytes is not None and path.stat().st_size != size_bytes) or _hashed(
                    path
                ).hexdigest() != digest:
                    _LOG.warning("the cached artifact %s is damaged; it is removed", digest[:12])
                    path.unlink()
                    return None
                self._checked.add(digest)
            os.utime(path)
        except OSError as error:
            raise StorageError(f"the cache {self._folder} cannot be used: {error.strerror}") from error
        return path

    def fetch(self, artifact: Artifact, open_stream: OpenStream, *, in_use: Collection[str] = ()) -> Path:
        """Return the file, and fetch it first where it is absent: from where an earlier download ended.

        Args:
            artifact: digest and size.
            open_stream: opens the download at an offset.
            in_use: hexadecimal digests that must stay, beside this one.

        Raises:
            TransportError: the download failed, was cut short, or came damaged for the first time; what came whole is
                kept for the next try.
            ProtocolError: chunks out of order, too many bytes, or, again, content that is not the artifact's.
            StorageError: the folder cannot be written, or the disk is full; then nothing of this download stays on it.
        """
        found = self.path(artifact)
        if found is not None:
            return found
        part = self._folder / (artifact.hex + _PART)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(artifact, part, in_use)
            resumed, digest = self._download(artifact, part, open_stream)
            if digest != artifact.hex:
                part.unlink()
                raise self._mismatch(artifact, resumed=resumed)
            path = part.with_suffix("")
            part.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            if error.errno in _FULL:
                part.unlink(missing_ok=True)
            raise StorageError(f"the cache {self._folder} cannot be written: {error.strerror}") from error
        self._checked.add(artifact.hex)
        return path

    def _mismatch(self, artifact: Artifact, *, resumed: bool) -> TransportError | ProtocolError:
        if resumed:
            # What was left from before may have been damaged on this disk: begin anew.
            return TransportError(f"the resumed download of {artifact.hex[:12]} is damaged; it starts over")
        if artifact.hex not in self._mismatched:
            self._mismatched.add(artifact.hex)
            return TransportError(f"the download of {artifact.hex[:12]} came damaged; it starts over")
        return ProtocolError(f"the content of {artifact.hex[:12]} that came does not have that digest, once more")

    def size_bytes(self) -> int:
        """Bytes of all files, unfinished downloads included."""
        return sum(size for _, size, _ in self._files())

    def _download(self, artifact: Artifact, part: Path, open_stream: OpenStream) -> tuple[bool, str]:
        """Append to `part` until it is complete.

        Returns:
            Whether an earlier download was continued, and the hexadecimal digest of the whole.
        """
        offset = part.stat().st_size if part.exists() else 0
        if offset > artifact.size_bytes:
            part.unlink()
            offset = 0
        resumed = offset > 0
        digest = _hashed(part) if resumed else hashlib.sha256()
        if offset == artifact.size_bytes:
            return resumed, digest.hexdigest()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        # Without a buffer: what has come is in the file when the process is killed.
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in open_stream(offset):
                data = chunk.data  # once: each look at a message's bytes is a copy of them
                if chunk.offset != offset or not 0 < len(data) <= artifact.size_bytes - offset:
                    raise ProtocolError(f"the aggregator sends bytes of {artifact.hex[:12]} that were not asked for")
                _write_all(file.fileno(), data)
                digest.update(data)
                offset += len(data)
            # Before it gets its name: after a power cut the name would else stand for anything.
            os.fsync(file.fileno())
        if offset < artifact.size_bytes:
            raise TransportError(f"the download of {artifact.hex[:12]} ended after {offset} bytes")
        return resumed, digest.hexdigest()

    def _make_room(self, artifact: Artifact, part: Path, in_use: Collection[str]) -> None:
        """Remove old unfinished downloads, then the least recently used files, as limit and disk ask for.

        Raises:
            StorageError: the disk has too little room even so.
        """
        kept = {artifact.hex, *in_use}
        files = sorted(self._files())
        unfinished = [path for _, _, path in files if path.suffix == _PART and path != part]
        for path in unfinished[: max(0, len(unfinished) - _MOST_UNFINISHED)]:
            path.unlink(missing_ok=True)
        files = [one for one in files if one[2].exists()]
        coming = artifact.size_bytes - (part.stat().st_size if part.exists() else 0)
        over = sum(size for _, size, _ in files) + coming - self._limit
        short = coming - shutil.disk_usage(self._folder).free
        for _, size, path in files:
            if over <= 0 and short <= 0:
                return
            digest = path.name.removesuffix(_PART)
            if digest not in kept:
                path.unlink(missing_ok=True)
                self._checked.discard(digest)
                over, short = over - size, short - size
        if short > 0:
            raise StorageError(f"the disk of the cache {self._folder} lacks room for {coming} bytes more: free some")

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every file."""
        if not self._folder.is_dir():
            return []
        paths = [path for path in self._folder.iterdir() if path.is_file()]
        return [(path.stat().st_mtime, path.stat().st_size, path) for path in paths]


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _hashed(path: Path) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest
