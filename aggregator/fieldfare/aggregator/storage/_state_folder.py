"""The folder in which one aggregator keeps everything, locked while it runs."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from fieldfare.core.errors import StorageError

DATABASE_FILE = "fieldfare.db"
"""The SQLite file within a state folder."""


class StateFolder:
    """Makes the folder (mode 0700), and holds its lock until `close`.

    Args:
        root: the folder.

    Raises:
        StorageError: not a folder, not writable, or in use by another aggregator.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        descriptor = -1
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            root.chmod(0o700)
            descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.incoming.mkdir(exist_ok=True)
            for path in self.incoming.iterdir():
                path.unlink()
        except BlockingIOError as error:
            os.close(descriptor)
            raise StorageError(f"another aggregator is running on the state folder {root}: stop it first") from error
        except (FileExistsError, NotADirectoryError) as error:
            raise StorageError(f"the state folder {root} is not a folder: choose another with --state") from error
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise StorageError(f"cannot write to the state folder {root}: {error.strerror or error}") from error
        self._descriptor = descriptor

    @property
    def database_file(self) -> Path:
        """The SQLite file."""
        return self.root / DATABASE_FILE

    @property
    def blobs(self) -> Path:
        """Plans, checkpoints and snapshots."""
        return self.root / "blobs"

    @property
    def cache(self) -> Path:
        """Artifacts of a shared store."""
        return self.root / "cache"

    @property
    def incoming(self) -> Path:
        """Plans and checkpoints that are on their way in; emptied at every start."""
        return self.root / "incoming"

    def close(self) -> None:
        """Release the lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> "StateFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
