"""The service that hands out rounds, averages what devices report, and keeps what it acknowledged.

Where things are:
    storage          the interfaces `Database` and `BlobStore`; SQLite and a folder, PostgreSQL and an object store
    engine           tasks and their rounds over that storage: no sockets, the clock is an argument
    service          gRPC servicers: thin shells around the engine
    security         enrolment, tokens, credentials, rate limits, the audit log
    observability    metrics, traces, health, and the log
    admin            the client of the administration port
    settings         what an operator may set: a frozen dataclass for each section
    configuration    settings from a TOML file and flags, and as a commented file
    preflight        `fieldfare serve --check`
    ports            why an address cannot be listened on
    listening        gRPC servers within their bounds, and where they listen
    server           `Aggregator`: everything together, with its own thread and event loop
    commands         `fieldfare serve`, `fieldfare task`, `fieldfare admin`

The names below are loaded when they are first used, so that `fieldfare --help` needs neither SQLAlchemy nor gRPC.
"""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
    from fieldfare.aggregator.admin import AdminClient
    from fieldfare.aggregator.server import Aggregator
    from fieldfare.aggregator.settings import ServerSettings

__all__ = ["AdminClient", "Aggregator", "ServerSettings"]

_HOMES = {
    "AdminClient": "fieldfare.aggregator.admin",
    "Aggregator": "fieldfare.aggregator.server",
    "ServerSettings": "fieldfare.aggregator.settings",
}

__getattr__ = late_imports(__name__, _HOMES)
