"""Follow a task until it has ended."""

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console as Terminal
from rich.live import Live

from fieldfare.aggregator.admin import AdminClient
from fieldfare.aggregator.commands._text import enum_text, metrics_text, size_text
from fieldfare.aggregator.commands.watching._history import History
from fieldfare.aggregator.commands.watching._view import view
from fieldfare.core.command import Console
from fieldfare.core.errors import TransportError
from fieldfare.protos.v1 import task_pb2

_INTERVAL_S = 0.5
_PATIENCE_S = 60.0
_INTERRUPTED = 130
_ENDED = {task_pb2.TASK_STATE_COMPLETED, task_pb2.TASK_STATE_FAILED, task_pb2.TASK_STATE_CANCELLED}


class _Screen(Protocol):
    def __enter__(self) -> "_Screen": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, status: task_pb2.TaskStatus, ended: list[task_pb2.RoundStatus]) -> None:
        """A new status, and the rounds that ended since the one before."""
        ...

    def trouble(self, why: str) -> None:
        """The aggregator did not answer."""
        ...


def watch(client: AdminClient, task: str, console: Console) -> int:
    """Show the task until it has ended; the exit status is 0 only for a completed one.

    An aggregator that does not answer, since it is restarted, is asked again for a minute.

    Raises:
        TransportError: it gave no answer for that long, or never.
        NotFoundError: there is no such task.
    """
    history = History()
    terminal = Terminal(file=console.out, highlight=False, markup=False, emoji=False)
    screen: _Screen = _Live(terminal, history) if terminal.is_terminal else _Lines(console)
    try:
        with screen:
            status = _follow(client, task, history, screen)
    except KeyboardInterrupt:
        console.say("no longer watching; the task goes on")
        return _INTERRUPTED
    state = enum_text(task_pb2.TaskState, status.state, "TASK_STATE_")
    console.say(f"{status.spec.name} {state}: {status.reason}; checkpoint version {status.checkpoint_version}")
    return 0 if status.state == task_pb2.TASK_STATE_COMPLETED else 1


def _follow(client: AdminClient, task: str, history: History, screen: _Screen) -> task_pb2.TaskStatus:
    answered: float | None = None
    while True:
        try:
            status = client.show(task, history.settled)
        except TransportError as error:
            if answered is None or not error.retryable or time.monotonic() - answered > _PATIENCE_S:
                raise
            screen.trouble(str(error))
        else:
            # From now on by its id: another task of the same name may come.
            task, answered = status.task_id, time.monotonic()
            screen.show(status, history.add(status.rounds))
            if status.state in _ENDED:
                return status
        time.sleep(_INTERVAL_S)


class _Live:
    """A picture that is drawn anew in place."""

    def __init__(self, terminal: Terminal, history: History) -> None:
        self._live = Live(console=terminal, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._history = history
        self._status = task_pb2.TaskStatus()

    def __enter__(self) -> "_Live":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, status: task_pb2.TaskStatus, ended: list[task_pb2.RoundStatus]) -> None:
        """See `_Screen.show`."""
        del ended
        self._status = status
        self._live.update(view(status, self._history, ""), refresh=True)

    def trouble(self, why: str) -> None:
        """See `_Screen.trouble`."""
        self._live.update(view(self._status, self._history, why), refresh=True)


class _Lines:
    """A line for each round that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._troubled = False

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is to be put back."""

    def show(self, status: task_pb2.TaskStatus, ended: list[task_pb2.RoundStatus]) -> None:
        """See `_Screen.show`."""
        del status
        self._troubled = False
        for one in ended:
            self._console.say(_line(one))

    def trouble(self, why: str) -> None:
        """See `_Screen.trouble`; said once, until there is an answer again."""
        if not self._troubled:
            self._console.warn(f"{why}; trying again")
        self._troubled = True


def _line(one: task_pb2.RoundStatus) -> str:
    kind = enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_")
    state = enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_")
    tail = one.reason or f"{metrics_text(one.metrics)}  up {size_text(one.bytes_up)} down {size_text(one.bytes_down)}"
    lost = "".join(f" {count} {name}" for name, count in (("refused", one.refused), ("late", one.late)) if count)
    return f"round {one.number:>3} {kind:<10} {state:<9} devices {one.reported}/{one.assigned}{lost}  {tail}"
