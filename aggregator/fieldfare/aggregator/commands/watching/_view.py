"""A task and its rounds as a picture for the terminal."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fieldfare.aggregator.commands._text import enum_text, metrics_text, size_text
from fieldfare.aggregator.commands.watching._history import History, duration_text, means, trend
from fieldfare.protos.v1 import task_pb2

_ROWS = 10
_BAR = 30
_COLORS = {
    task_pb2.TASK_STATE_RUNNING: "green",
    task_pb2.TASK_STATE_COMPLETED: "bold green",
    task_pb2.TASK_STATE_PAUSED: "yellow",
    task_pb2.TASK_STATE_DRAFT: "yellow",
    task_pb2.TASK_STATE_FAILED: "bold red",
    task_pb2.TASK_STATE_CANCELLED: "red",
}


def view(status: task_pb2.TaskStatus, history: History, trouble: str) -> RenderableType:
    """The picture.

    Args:
        status: of the task, new.
        history: its rounds.
        trouble: why the newest status could not be had; empty where it could.
    """
    parts: list[RenderableType] = [_title(status), _progress(status, history)]
    parts += [_metrics(history), _rates(history), Text(""), _rounds(history)]
    if trouble:
        parts.append(Text(f"{trouble}; trying again", style="bold red"))
    elif status.state in {task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_PAUSED, task_pb2.TASK_STATE_DRAFT}:
        parts.append(Text("Ctrl-C leaves this view; the task goes on", style="dim"))
    return Group(*parts)


def _title(status: task_pb2.TaskStatus) -> Text:
    state = enum_text(task_pb2.TaskState, status.state, "TASK_STATE_")
    algorithm = enum_text(task_pb2.Algorithm, status.spec.aggregation.algorithm, "ALGORITHM_")
    text = Text(status.spec.name, style="bold")
    text.append(f"  {status.spec.population}  {algorithm}  ", style="dim")
    text.append(state, style=_COLORS.get(status.state, ""))
    if status.reason:
        text.append(f": {status.reason}")
    return text


def _progress(status: task_pb2.TaskStatus, history: History) -> Table:
    grid = Table.grid(padding=(0, 2))
    done, wanted = status.rounds_committed, max(status.spec.rounds, 1)
    evaluates = status.spec.kind == task_pb2.TASK_KIND_EVALUATION
    kind = task_pb2.ROUND_KIND_EVALUATION if evaluates else task_pb2.ROUND_KIND_TRAINING
    pace = history.seconds_a_round(kind)
    running = status.state == task_pb2.TASK_STATE_RUNNING
    left = f", about {duration_text(pace * (wanted - done))} left" if running and pace is not None else ""
    grid.add_row("rounds", _bar(done, wanted), f"{done} of {wanted}{left}")
    for one in history.open:
        cohort = status.spec.evaluation if one.kind == task_pb2.ROUND_KIND_EVALUATION else status.spec.training
        name = enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_")
        counts = f"{one.reported} of {cohort.goal_count} reports, {one.assigned} asked"
        state = enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_")
        grid.add_row(f"{name} {one.number}", _bar(one.reported, cohort.goal_count), f"{state}: {counts}{_losses(one)}")
    return grid


def _bar(done: int, wanted: int) -> ProgressBar:
    return ProgressBar(total=max(wanted, 1), completed=min(done, wanted), width=_BAR)


def _losses(one: task_pb2.RoundStatus) -> str:
    counts = {"withdrew": one.withdrawn, "late": one.late, "twice": one.duplicates, "refused": one.refused}
    reasons = ", ".join(f"{each.reason} {each.count}" for each in sorted(one.refusals, key=lambda each: -each.count))
    text = "".join(f", {count} {name}" for name, count in counts.items() if count)
    return f"{text} ({reasons})" if reasons else text


def _metrics(history: History) -> Table:
    """The held-out metrics, or those of the training where none were measured yet."""
    grid = Table.grid(padding=(0, 2))
    measured = history.committed(task_pb2.ROUND_KIND_EVALUATION)
    rounds = measured or history.committed(task_pb2.ROUND_KIND_TRAINING)
    where = "held out" if measured else "in training"
    for name, values in sorted(means(rounds).items(), key=lambda one: (one[0] != "loss", one[0])):
        grid.add_row(name, f"{values[-1]:.4g}", Text(trend(values), style="cyan"), Text(where, style="dim"))
    return grid


def _rates(history: History) -> Text:
    rates = history.per_minute()
    if rates is None:
        return Text("no round is over yet", style="dim")
    return Text(f"{rates[0]:.3g} reports and {size_text(round(rates[1]))} up a minute", style="dim")


def _rounds(history: History) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("round", "kind", "state", "in/asked", "refused", "late", "up", "down"):
        table.add_column(heading, justify="left" if heading in {"kind", "state"} else "right", no_wrap=True)
    table.add_column("metrics", overflow="ellipsis", no_wrap=True)
    for one in history.newest(_ROWS):
        table.add_row(
            str(one.number),
            enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_"),
            enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_"),
            f"{one.reported}/{one.assigned}",
            str(one.refused),
            str(one.late),
            size_text(one.bytes_up),
            size_text(one.bytes_down),
            Text(metrics_text(one.metrics) or one.reason),
        )
    return table
