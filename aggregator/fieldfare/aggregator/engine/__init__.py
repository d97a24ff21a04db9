"""Tasks and their rounds over storage: no sockets, no event loop; the clock and randomness are arguments.

`Engine` is what a service calls. Its methods block and may be called from several threads; `Engine.check_in`,
`Reports.admit` and `Reports.standing` only look into memory and never wait for storage.
"""

from fieldfare.aggregator.engine._answers import Standing
from fieldfare.aggregator.engine._engine import Engine
from fieldfare.aggregator.engine._events import Event, EventKind
from fieldfare.aggregator.engine._load import TaskLoad
from fieldfare.aggregator.engine._reports import Admission, Reports
from fieldfare.aggregator.engine._status import round_status
from fieldfare.aggregator.engine._submission import Incoming
from fieldfare.aggregator.engine._telemetry import Operation, Telemetry
from fieldfare.aggregator.engine._waiting import Waiter, WaitingRoom

__all__ = [
    "Admission",
    "Engine",
    "Event",
    "EventKind",
    "Incoming",
    "Operation",
    "Reports",
    "Standing",
    "TaskLoad",
    "Telemetry",
    "Waiter",
    "WaitingRoom",
    "round_status",
]
