"""`rounds.csv` and `summary.json`."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldfare.core.files import write_atomically
from fieldfare.emulator.report._rounds import RoundRow


def write_rounds_csv(path: Path, rows: Sequence[RoundRow]) -> None:
    """One line a committed training round; a column for each held-out metric."""
    names = sorted({name for row in rows for name in row.held_out})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    held_out = [f"held_out_{name}" for name in names]
    counts = ["devices_in", "devices_out", "bytes_up", "bytes_down", "seconds", "ended_s", "energy_j"]
    writer.writerow(["round", "train_loss", *held_out, *counts])
    for row in rows:
        writer.writerow([row.version, _number(row.train_loss), *_held_out(row, names), *_counts(row)])
    write_atomically(path, out.getvalue().encode())


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Indented JSON; refuses NaN, which JSON does not have."""
    write_atomically(path, (json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())


def _held_out(row: RoundRow, names: Iterable[str]) -> list[str]:
    return [_number(row.held_out[name]) if name in row.held_out else "" for name in names]


def _counts(row: RoundRow) -> list[str]:
    counts = (row.devices_in, row.devices_out, row.bytes_up, row.bytes_down)
    return [*(str(count) for count in counts), f"{row.seconds:.3f}", f"{row.ended_s:.3f}", f"{row.energy_j:.3f}"]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
