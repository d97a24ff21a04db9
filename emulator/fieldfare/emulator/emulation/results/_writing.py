"""Every file of the results."""

from pathlib import Path

from fieldfare.core.files import save_weights
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.emulation.results._page import write_page
from fieldfare.emulator.emulation.results._summary import main_metric, summary_of
from fieldfare.emulator.records import FleetRecord, record_fleet
from fieldfare.emulator.report import RoundRow, round_rows, write_events, write_rounds_csv, write_summary
from fieldfare.emulator.scenario import Scenario
from fieldfare.emulator.simulation import BEGINNING


def write_results(folder: Path, scenario: Scenario, outcome: Outcome) -> None:
    """Write what `write_tables` does, and `report.html`, `tensorboard/` and `global.safetensors`.

    Also where the run was stopped: of the rounds that it came to.

    Args:
        folder: of the run; holds its `devices.csv`.
        scenario: what was emulated.
        outcome: what it came to.

    Raises:
        StorageError: the folder cannot be written.
    """
    specs, weights = unpack_weights(outcome.weights)
    save_weights(folder / "global.safetensors", specs, weights)
    rows, record = write_tables(folder, scenario, outcome)
    write_events(folder / "tensorboard", rows, BEGINNING)
    write_page(folder / "report.html", scenario, outcome, rows, record)


def write_tables(folder: Path, scenario: Scenario, outcome: Outcome) -> tuple[list[RoundRow], FleetRecord]:
    """Write `devices.parquet`, `rounds.csv` and `summary.json`.

    Raises:
        StorageError: the folder cannot be written.
    """
    record = record_fleet(
        folder / "devices.csv",
        folder / "devices.parquet",
        devices=outcome.statistics.devices,
        metric=main_metric(scenario.task, outcome.manifest),
        metrics=outcome.metrics,
    )
    rows = round_rows(outcome.status.rounds, record.joules)
    write_rounds_csv(folder / "rounds.csv", rows)
    write_summary(folder / "summary.json", summary_of(scenario, outcome, rows, record))
    return rows, record
