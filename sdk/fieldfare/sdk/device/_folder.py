"""What a device keeps on disk, and where."""

import logging
import os
import threading
from pathlib import Path

from fieldfare.core.errors import NotFoundError, StorageError
from fieldfare.core.files import HALF_WRITTEN, OWNER_ONLY, write_atomically
from fieldfare.core.sessions import DEVICE_ID_BYTES
from fieldfare.sdk.cache import DEFAULT_LIMIT_BYTES, ArtifactCache
from fieldfare.sdk.controls import ControlStore
from fieldfare.sdk.device._current import Current, Models, read_models, write_models
from fieldfare.sdk.device._lock import FolderLock
from fieldfare.sdk.enrollment import Membership
from fieldfare.sdk.ledger import Ledger
from fieldfare.sdk.outbox import Outbox
from fieldfare.sdk.pace import PaceFile
from fieldfare.sdk.personal import PersonalFile
from fieldfare.sdk.training import RestFile

_LOG = logging.getLogger("fieldfare.sdk")


class DeviceFolder:
    """The files of one device.

    They are `device_id`, `device_key`, `member.json`, `lock`, `ledger.db`, `outbox`, `current.json`, `pace.json`,
    `resting.npz`, `personal`, `cache/` and `controls/`.

    Reading it needs no lock: a second process may look at the ledger or predict while a device runs.

    Args:
        path: the folder.
        create: make it, with the rights 0700, where it is absent.
        cache_limit_bytes: see `ArtifactCache`.

    Raises:
        NotFoundError: absent, and `create` is False.
        StorageError: it cannot be made.
    """

    def __init__(self, path: Path | str, *, create: bool = False, cache_limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.path = Path(path)
        if create:
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"the folder {self.path} cannot be made: {error.strerror}") from error
        elif not self.path.is_dir():
            raise NotFoundError(f"the device folder {self.path} is not there")
        self.lock = FolderLock(self.path / "lock")
        self.cache = ArtifactCache(self.path / "cache", cache_limit_bytes)
        self.outbox = Outbox(self.path / "outbox")
        self.controls = ControlStore(self.path / "controls")
        self.membership = Membership(self.path)
        self.resting = RestFile(self.path / "resting.npz")
        self.pace = PaceFile(self.path / "pace.json")
        self.personal = PersonalFile(self.path / "personal")
        self._models = self.path / "current.json"
        self._changing_models = threading.Lock()

    def acquire(self) -> None:
        """Take the lock, and remove what processes that were killed have left half-written.

        Raises:
            StateError: another process, or another `Device`, has it.
            StorageError: the folder cannot be written.
        """
        if not self.lock.acquire():
            return
        try:
            for left in (*self.path.rglob(f".*{HALF_WRITTEN}"), *self.path.glob(".ledger.db.*.new")):
                left.unlink(missing_ok=True)
        except OSError as error:
            self.lock.release()
            raise StorageError(f"the folder {self.path} cannot be tidied: {error.strerror}") from error

    def open_ledger(self, *, create: bool = True) -> Ledger:
        """The ledger; see `Ledger.open`."""
        return Ledger.open(self.path / "ledger.db", create=create)

    def device_id(self) -> bytes:
        """16 random bytes, made at first use. For the process that holds the lock.

        Raises:
            StorageError: the file cannot be read or written.
        """
        path = self.path / "device_id"
        try:
            found = path.read_bytes() if path.exists() else b""
            if len(found) != DEVICE_ID_BYTES:
                if found:
                    _LOG.warning("%s is damaged; the device takes a new id", path)
                found = os.urandom(DEVICE_ID_BYTES)
                write_atomically(path, found, mode=OWNER_ONLY)
        except OSError as error:
            raise StorageError(f"{path} cannot be used: {error.strerror}") from error
        return found

    @property
    def models(self) -> Models:
        """The last plan and checkpoint that loaded well, and the pair before."""
        return read_models(self._models)

    @property
    def current(self) -> Current | None:
        """The last plan and checkpoint that loaded well."""
        return self.models.current

    @current.setter
    def current(self, current: Current) -> None:
        with self._changing_models:
            write_models(self._models, self.models.adopt(current))

    @property
    def in_use(self) -> frozenset[str]:
        """Digests of what must stay in the cache: both pairs, and what the device's own weights rest on."""
        record = self.personal.record()
        own = {record.plan, record.checkpoint} if record is not None and record.kept else set()
        return self.models.digests | own

    def fall_back(self) -> Current:
        """Make the previous pair the current one, until a newer checkpoint has loaded well.

        Raises:
            NotFoundError: there is none.
            StorageError: the file cannot be read or written.
        """
        with self._changing_models:
            back = self.models.fall_back()
            if self.models == back or back.current is None:
                raise NotFoundError("there is no previous checkpoint to fall back to")
            write_models(self._models, back)
            return back.current

    def forget(self) -> None:
        """Remove what was made from the examples: kept report, resting training, control variates, own weights.

        For the process that holds the lock.

        Raises:
            StorageError: a file cannot be removed.
        """
        self.outbox.forget()
        self.resting.forget()
        self.controls.forget()
        self.personal.clear()
