"""Statuses as lines of text."""

from collections import Counter
from collections.abc import Iterable, Sequence

from fieldfare.protos.v1 import task_pb2, tensors_pb2

_HEADINGS = ("round", "kind", "state", "in/asked", "refused", "examples", "up", "down", "metrics")
_K = 1000
_OPEN = {task_pb2.ROUND_STATE_SELECTING, task_pb2.ROUND_STATE_COLLECTING}


def enum_text(enum: object, code: int, prefix: str) -> str:
    """Such as "running" for TASK_STATE_RUNNING; the number where a newer aggregator knows more."""
    try:
        name: str = enum.Name(code)  # type: ignore[attr-defined]
    except ValueError:
        return str(code)
    return name.removeprefix(prefix).lower()


def size_text(nbytes: int) -> str:
    """Bytes in three digits and a unit, powers of a thousand."""
    value, unit = float(nbytes), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < _K:
            break
        value, unit = value / _K, bigger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def metrics_text(metrics: Iterable[tensors_pb2.MetricSum]) -> str:
    """Means by name, the loss first."""
    means = {one.name: one.sum / one.weight for one in metrics if one.weight}
    return " ".join(f"{name} {means[name]:.4g}" for name in sorted(means, key=lambda name: (name != "loss", name)))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as they need to be."""
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def task_lines(status: task_pb2.TaskStatus) -> list[str]:
    """A task and, where they came with it, its rounds."""
    state = enum_text(task_pb2.TaskState, status.state, "TASK_STATE_")
    lines = [
        f"task        {status.spec.name} ({status.task_id})",
        f"population  {status.spec.population}",
        f"state       {state}" + (f": {status.reason}" if status.reason else ""),
        f"algorithm   {_algorithm(status.spec.aggregation)}",
        f"rounds      {status.rounds_committed} of {status.spec.rounds}",
        *(f"now         {_open_round(status.spec, one)}" for one in status.rounds if one.state in _OPEN),
        f"checkpoint  version {status.checkpoint_version}, {size_text(status.checkpoint.size_bytes)}, "
        f"sha256 {status.checkpoint.sha256.hex()[:16]}",
        f"plan        {size_text(status.plan.size_bytes)}, sha256 {status.plan.sha256.hex()[:16]}",
        f"created     {status.created_at.ToJsonString()}",
    ]
    if status.HasField("ended_at"):
        lines.append(f"ended       {status.ended_at.ToJsonString()}")
    if status.rounds:
        lines += ["", *table(_HEADINGS, (_round_cells(one) for one in status.rounds))]
    return lines


def _algorithm(spec: task_pb2.AggregationSpec) -> str:
    """Such as "fedavg, mean by examples"."""
    algorithm = enum_text(task_pb2.Algorithm, spec.algorithm, "ALGORITHM_")
    combiner = enum_text(task_pb2.Combiner, spec.combiner, "COMBINER_")
    if spec.combiner == task_pb2.COMBINER_MEAN:
        combiner += " by examples" if spec.weighting == task_pb2.WEIGHTING_EXAMPLES else ", uniform"
    return f"{algorithm}, {combiner}"


def round_lines(rounds: Sequence[task_pb2.RoundStatus]) -> list[str]:
    """Rounds with every count, a line each."""
    headings = (*_HEADINGS[:-4], "withdrew", "late", "twice", *_HEADINGS[-4:])
    rows = []
    for one in rounds:
        cells = _round_cells(one)
        rows.append((*cells[:-4], str(one.withdrawn), str(one.late), str(one.duplicates), *cells[-4:]))
    return table(headings, rows) if rows else ["no rounds yet"]


def refusal_lines(rounds: Iterable[task_pb2.RoundStatus]) -> list[str]:
    """How many reports were refused for each reason, and in which round last; the most frequent first."""
    counts: Counter[str] = Counter()
    last: dict[str, int] = {}
    for one in rounds:
        for each in one.refusals:
            counts[each.reason] += each.count
            last[each.reason] = one.number
    if not counts:
        return ["no report was refused"]
    rows = [(reason, str(count), str(last[reason])) for reason, count in counts.most_common()]
    return table(("reason", "reports", "last in round"), rows)


def _open_round(spec: task_pb2.TaskSpec, one: task_pb2.RoundStatus) -> str:
    """Such as "training round 3: selecting, 1 of 10 reports, at least 5 needed"."""
    cohort = spec.evaluation if one.kind == task_pb2.ROUND_KIND_EVALUATION else spec.training
    kind = enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_")
    state = enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_")
    reports = f"{one.reported} of {cohort.goal_count} reports, at least {cohort.minimum} needed"
    return f"{kind} round {one.number}: {state}, {reports}"


def task_row(status: task_pb2.TaskStatus) -> tuple[str, ...]:
    """One line of `fieldfare task list`."""
    state = enum_text(task_pb2.TaskState, status.state, "TASK_STATE_")
    rounds = f"{status.rounds_committed}/{status.spec.rounds}"
    return (status.task_id, status.spec.name, status.spec.population, state, rounds, status.reason)


def _round_cells(one: task_pb2.RoundStatus) -> tuple[str, ...]:
    return (
        str(one.number),
        enum_text(task_pb2.RoundKind, one.kind, "ROUND_KIND_"),
        enum_text(task_pb2.RoundState, one.state, "ROUND_STATE_"),
        f"{one.reported}/{one.assigned}",
        str(one.refused),
        str(one.examples),
        size_text(one.bytes_up),
        size_text(one.bytes_down),
        metrics_text(one.metrics) or one.reason,
    )
