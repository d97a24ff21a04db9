"""Shows the rounds of a task as they are committed, and what the open round is doing."""

from types import TracebackType
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fieldfare.emulator.report import RoundRow, round_rows
from fieldfare.protos.v1 import task_pb2

_ROWS_SHOWN = 15
_KINDS = {task_pb2.ROUND_KIND_TRAINING: "training", task_pb2.ROUND_KIND_EVALUATION: "evaluation"}


class ProgressDisplay:
    """Give it each new status of the task; use it as a context manager.

    Args:
        out: where to draw; a terminal gets a live table, anything else a line for each finished round.
        metric: the held-out metric to show beside the loss.
        rounds: training rounds at the most.
    """

    def __init__(self, out: TextIO, *, metric: str, rounds: int) -> None:
        self._console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._metric = metric
        self._rounds = rounds
        self._shown = 0

    def __enter__(self) -> "ProgressDisplay":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, status: task_pb2.TaskStatus) -> None:
        """Draw what is new in `status`, which carries all of the task's rounds."""
        rows = round_rows(status.rounds)
        if self._live is not None:
            self._live.update(Group(self._table(rows), Text(self._now(status), style="dim")), refresh=True)
            return
        ended = status.state not in {task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_PAUSED}
        measured = [row for row in rows if row.held_out or ended or row.version < len(rows)]
        for row in measured[self._shown :]:
            self._console.print(self._line(row))
        self._shown = max(self._shown, len(measured))

    def _table(self, rows: list[RoundRow]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("round", "loss", f"held-out {self._metric}", "devices in", "out", "kB up", "kB down", "s"):
            table.add_column(heading, justify="right")
        for row in rows[-_ROWS_SHOWN:]:
            table.add_row(
                f"{row.version}/{self._rounds}",
                f"{row.train_loss:.4f}",
                self._measured(row),
                str(row.devices_in),
                str(row.devices_out),
                f"{row.bytes_up / 1e3:.0f}",
                f"{row.bytes_down / 1e3:.0f}",
                f"{row.seconds:.1f}",
            )
        return table

    def _line(self, row: RoundRow) -> str:
        return (
            f"round {row.version}/{self._rounds}  loss {row.train_loss:.4f}  "
            f"held-out {self._metric} {self._measured(row)}  devices {row.devices_in} in, {row.devices_out} out  "
            f"{row.bytes_up / 1e3:.0f} kB up, {row.bytes_down / 1e3:.0f} kB down  {row.seconds:.1f} s"
        )

    def _measured(self, row: RoundRow) -> str:
        return f"{row.held_out[self._metric]:.4f}" if self._metric in row.held_out else "-"

    @staticmethod
    def _now(status: task_pb2.TaskStatus) -> str:
        active = {task_pb2.ROUND_STATE_SELECTING, task_pb2.ROUND_STATE_COLLECTING}
        for one in status.rounds:
            if one.state in active:
                return f"{_KINDS[one.kind]}: {one.reported} of {one.assigned} devices reported"
        return status.reason
