"""The rounds as a table of the page."""

import math
from collections.abc import Sequence

from fieldfare.emulator.report._page import Section, Table
from fieldfare.emulator.report._rounds import RoundRow

_FOLD_ABOVE = 60
_MOST = 1000


def rounds_section(rows: Sequence[RoundRow]) -> Section:
    """One line a committed training round, with a column for each held-out metric."""
    names = sorted({name for row in rows for name in row.held_out})
    energy = any(row.energy_j for row in rows)
    header = ["round", "training loss", *(f"held-out {name}" for name in names)]
    header += ["devices in", "devices out", "kB up", "kB down", "seconds", "ended at, s"]
    shown = rows[-_MOST:]
    caption = f"The last {_MOST:,} of {len(rows):,}; all of them are in rounds.csv" if len(shown) < len(rows) else ""
    cells = [_cells(row, names, energy=energy) for row in shown]
    table = Table(caption, [*header, *(["J"] if energy else [])], cells, 0)
    return Section("Rounds", tables=[table], folded=len(rows) > _FOLD_ABOVE)


def _cells(row: RoundRow, names: Sequence[str], *, energy: bool) -> list[str]:
    cells = [str(row.version), "" if math.isnan(row.train_loss) else f"{row.train_loss:.4f}"]
    cells += [f"{row.held_out[name]:.4f}" if name in row.held_out else "" for name in names]
    cells += [str(row.devices_in), str(row.devices_out), f"{row.bytes_up / 1000:.1f}", f"{row.bytes_down / 1000:.1f}"]
    cells += [f"{row.seconds:.2f}", f"{row.ended_s:.2f}"]
    return [*cells, f"{row.energy_j:.1f}"] if energy else cells
