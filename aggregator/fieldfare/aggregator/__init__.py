"""The service that hands out rounds, averages what devices report, and keeps what it acknowledged.

Where things are:
    storage    the interfaces `Database` and `BlobStore`, and what ships: SQLite and a folder
    engine     tasks and their rounds over that storage: no sockets, the clock is an argument
    service    gRPC servicers: thin shells around the engine
    admin      the client of the administration port
    ports      why an address cannot be listened on
    server     `Aggregator`: everything together, with its own thread and event loop
    commands   `fieldfare serve` and `fieldfare task`

The names below are loaded when they are first used, so that `fieldfare --help` needs neither SQLAlchemy nor gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
