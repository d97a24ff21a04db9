"""Every file of the results."""

from pathlib import Path

from fieldfare.core.files import save_weights
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.emulation.results._page import write_page
from fieldfare.emulator.emulation.results._summary import main_metric, summary_of
from fieldfare.emulator.records import record_fleet
from fieldfare.emulator.report import round_rows, write_events, write_rounds_csv, write_summary
from fieldfare.emulator.scenario import Scenario
from fieldfare.emulator.simulation import BEGINNING


def write_results(folder: Path, scenario: Scenario, outcome: Outcome) -> None:
    """Write `report.html`, `rounds.csv`, `devices.parquet`, `summary.json`, `tensorboard/` and `global.safetensors`.

    Also where the run was stopped: of the rounds that it came to.

    Raises:
        StorageError: the folder cannot be written.
    """
    specs, weights = unpack_weights(outcome.weights)
    save_weights(folder / "global.safetensors", specs, weights)
    metric = main_metric(scenario.task, outcome.manifest)
    record = record_fleet(
        folder / "devices.csv",
        folder / "devices.parquet",
        devices=outcome.statistics.devices,
        metric=metric,
        metrics=outcome.metrics,
    )
    rows = round_rows(outcome.status.rounds, record.joules)
    write_rounds_csv(folder / "rounds.csv", rows)
    write_events(folder / "tensorboard", rows, BEGINNING)
    write_page(folder / "report.html", scenario, outcome, rows, record)
    # Last: where it stands, all others are there.
    write_summary(folder / "summary.json", summary_of(scenario, outcome, rows, record))
