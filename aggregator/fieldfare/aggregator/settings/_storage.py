"""Where state is kept, and what happens when it cannot be written."""

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from fieldfare.aggregator.settings._checks import need, positive
from fieldfare.core.errors import ConfigError

_SECTION = "storage"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where state is kept, and what happens when it cannot be written.

    Attributes:
        database: "postgresql://USER@HOST:PORT/NAME" that several replicas share; none keeps all in the state folder.
            The password comes from PGPASSWORD or ~/.pgpass, never from here.
        blobs: "s3://BUCKET/PREFIX" or "file:///FOLDER" that the same replicas share; goes with database.
        replica: name of this replica in the log and in the data base; none takes the machine's.
        poll: how often a replica looks at what the others have done.
        replica_patience: a replica that was silent for this long is taken for dead. Clocks must differ by less.
        max_cache_bytes: plans and checkpoints of a shared store that are kept on this machine's disk.
        unused_for: age at which a blob to which no row refers is removed, where storage is shared.
        retry_first: wait before a failed write to storage is tried again; doubles from there.
        retry_longest: no such wait is longer.

    Raises:
        ConfigError: a field out of its bounds.
    """

    database: str | None = None
    blobs: str | None = None
    replica: str | None = None
    poll: timedelta = timedelta(milliseconds=250)
    replica_patience: timedelta = timedelta(seconds=10)
    max_cache_bytes: int = 4 * 2**30
    unused_for: timedelta = timedelta(days=1)
    retry_first: timedelta = timedelta(milliseconds=200)
    retry_longest: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        both = (self.database is None) == (self.blobs is None)
        need(both, _SECTION, "blobs", "several replicas need both a database (--database) and blobs (--blobs)")
        secret = self.database is not None and _has_password(self.database)
        need(not secret, _SECTION, "database", "give the password in PGPASSWORD or ~/.pgpass instead")
        named = self.replica is None or _NAME.fullmatch(self.replica) is not None
        need(named, _SECTION, "replica", "must have 1 to 40 letters, digits, '.', '_' and '-'")
        need(self.max_cache_bytes >= 1, _SECTION, "max_cache_bytes", "must be at least 1")
        positive(_SECTION, self, "poll", "replica_patience", "unused_for", "retry_first", "retry_longest")
        need(self.poll * 4 <= self.replica_patience, _SECTION, "replica_patience", "must be at least four times poll")
        hour = timedelta(hours=1)
        need(self.unused_for >= hour, _SECTION, "unused_for", "must be at least 1h: a commit may take that long")
        need(self.retry_first <= self.retry_longest, _SECTION, "retry_longest", "must not be below retry_first")


def _has_password(url: str) -> bool:
    """Also in the query, where libpq looks for it too."""
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise ConfigError("give postgresql://USER@HOST:PORT/NAME", field=f"{_SECTION}.database") from error
