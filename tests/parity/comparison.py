"""Exports a group of branches once, trains it on both sides, and tells the differences of each row."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from fieldfare.converters import ParityReport, check_parity, export_keras
from tests.parity.branches import BATCH, Branch, Group, group_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out.

    Attributes:
        group: the model.
        report: five steps, the last batch short.
        without_delegates: two steps on the runtime's own kernels.
    """

    group: Group
    report: ParityReport
    without_delegates: ParityReport

    def differences(self, row: Branch) -> dict[str, float]:
        """Those of the row's weights, of the optimiser's state that belongs to them, and of its metric."""
        paths = self.group.weights[row.slug]
        prefixes = tuple(path.replace("/", "_") for path in paths)
        found = {path: value for path, value in self.report.weights.items() if path in paths}
        found |= {name: value for name, value in self.report.state.items() if name.startswith(prefixes)}
        return found | {"evaluate": self.report.evaluated[f"{row.slug}_mse"]}

    def idle(self, row: Branch) -> set[str]:
        """Those of the row's weights that only rounding moves."""
        return set(self.report.idle) & set(self.group.weights[row.slug])


def compared(rows: tuple[Branch, ...]) -> Comparison:
    """Export and train a model of these rows."""
    group = group_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.tflite"
        export_keras(group.model, path, batch_size=BATCH, **group.settings)
        return Comparison(
            group,
            check_parity(group.model, path, **group.settings),
            check_parity(group.model, path, steps=2, delegates=False, **group.settings),
        )


def check_row(result: Comparison, row: Branch) -> None:
    """Fail where the row's branch differs from Keras, or where a weight is not compared without the row saying so."""
    found = result.differences(row)
    far = {name: value for name, value in found.items() if not value <= result.report.tolerance}
    assert not far
    uncompared = {path for path in result.idle(row) if not path.endswith(row.idle or ("nothing",))}
    assert not uncompared
    assert bool(result.idle(row)) == bool(row.idle)


def check_group(result: Comparison) -> None:
    """Fail where a loss or an output of the group's model differs, or anything does without delegates."""
    assert result.report.steps == 5
    assert max(result.report.losses) <= result.report.tolerance
    assert result.report.outputs <= result.report.tolerance
    assert result.without_delegates.ok, result.without_delegates
