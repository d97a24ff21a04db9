"""`fieldfare emulate`."""

import argparse
from pathlib import Path
from typing import Any

from fieldfare.core.command import Command, Console

_DESCRIPTION = """\
Try a fleet on this machine, in emulated time: the aggregator, the devices' sessions, trainer and codec are those that
ship; a day of a fleet takes as long as its training does.

example:
  fieldfare emulate --print-scenario > scenario.toml
  fieldfare emulate scenario.toml --output runs/first --set fleet.dropout=0.1
  fieldfare emulate scenario.toml --sweep task.aggregation.algorithm=FEDAVG,FEDPROX --sweep seed=1,2,3
"""
_FILES = (
    ("report.html", "plots, tables and the scenario; opens without network"),
    ("rounds.csv", "the same table for a spreadsheet; its seconds are emulated"),
    ("devices.csv", "each device's part in each round: when, how long, how it ended, bytes; .parquet: the same"),
    ("summary.json", "results, scenario and versions"),
    ("tensorboard/", "the same rounds for `tensorboard --logdir`"),
    ("global.safetensors", "the trained weights"),
)
_SWEEP_FILES = (
    ("report.html", "the runs compared; opens without network"),
    ("sweep.csv", "a line for each run"),
    ("groups.csv", "mean and deviation over the seeds"),
)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", type=Path, nargs="?", help="a TOML file")
    add("--output", metavar="DIR", type=Path, default=Path("runs/emulation"), help="for the results (%(default)s)")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="in place of what the file says; repeatable")
    add(
        "--sweep",
        metavar="KEY=VALUE,...",
        action="append",
        default=[],
        help="run it with each of these values, and compare the runs; repeatable, for each combination",
    )
    add("--resume", action="store_true", help="go on with the run in --output from its last checkpoint")
    add("--print-scenario", action="store_true", help="write a commented scenario to standard output, and end")
    add("--statistics", action="store_true", help="tell how the examples are spread over the devices, and end")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.core.configuration import parse_assignment
    from fieldfare.core.errors import ConfigError
    from fieldfare.emulator.scenario import print_scenario
    from fieldfare.emulator.sweep import parse_axis, read_sweep

    if options.print_scenario:
        console.say(print_scenario())
        return 0
    if options.scenario is None:
        raise ConfigError("name a scenario, or write one with --print-scenario", field="SCENARIO")
    values = dict(parse_assignment(one, "--set", "fleet.dropout=0.1") for one in options.set)
    sweep = read_sweep(options.scenario, values, [parse_axis(one) for one in options.sweep])
    if options.statistics:
        return _examine(sweep.runs[0].scenario, console)
    if sweep.axes:
        return _sweep(sweep, options.output, console, resume=options.resume)
    return _emulate(sweep.runs[0].scenario, options.output, console, resume=options.resume)


def _examine(scenario: Any, console: Console) -> int:
    from fieldfare.core.command import quiet_native_output
    from fieldfare.emulator.emulation import examine
    from fieldfare.emulator.partition import describe_partition

    with quiet_native_output():
        statistics = examine(scenario)
    for line in describe_partition(statistics, whole=True):
        console.say(line)
    return 0


def _emulate(scenario: Any, output: Path, console: Console, *, resume: bool) -> int:
    from fieldfare.emulator.emulation import describe_ends
    from fieldfare.emulator.results_folder import prepare_folder, reopen_folder

    _check_inputs(scenario)
    folder = (reopen_folder if resume else prepare_folder)(output, "emulation")
    outcome = _run_one(scenario, folder, console, resume=resume)
    if outcome.stopped is not None:
        console.say(f"what was done until then is in {folder}")
        raise outcome.stopped
    totals = outcome.totals
    console.say()
    console.say(f"{outcome.status.reason or 'the emulated time is over'}; assignments: {describe_ends(totals.ended)}")
    console.say(
        f"{outcome.emulated_s:,.0f} s of the fleet's time in {outcome.seconds:.1f} s; "
        f"{totals.bytes_up / 1e6:.1f} MB up, {totals.bytes_down / 1e6:.1f} MB down, {totals.energy_j / 1e3:,.1f} kJ"
    )
    for why, count in outcome.excluded.items():
        console.say(f"{count:,} devices were never asked: {why}")
    console.say(f"Written to {folder}:")
    for name, what in _FILES:
        console.say(f"  {name:<20} {what}")
    return 0 if outcome.ended else 1


def _sweep(sweep: Any, output: Path, console: Console, *, resume: bool) -> int:
    from fieldfare.emulator.results_folder import prepare_folder, reopen_folder
    from fieldfare.emulator.sweep import run_sweep

    for run in sweep.runs:
        _check_inputs(run.scenario)
    folder = (reopen_folder if resume else prepare_folder)(output, "sweep")

    def tell(number: int, run: Any, is_done: bool) -> None:
        console.say(f"{number}/{len(sweep.runs)}  {run.title}{', which is done' if is_done else ''}")

    def run_one(run: Any, own: Path, goes_on: bool) -> Any:
        return _run_one(run.scenario, own, console, resume=goes_on)

    finished = run_sweep(sweep, folder, run_one, resume=resume, on_run=tell)
    console.say()
    for one in finished:
        console.say(f"{one.run.title}: {one.metric} {one.final:.4f}, {one.summary['outcome']}")
    console.say(f"Written to {folder}, with a folder for each run:")
    for name, what in _SWEEP_FILES:
        console.say(f"  {name:<20} {what}")
    return 0 if all(one.summary["complete"] for one in finished) else 1


def _check_inputs(scenario: Any) -> None:
    """Refuse a plan or a trace that cannot be used, before an earlier run's results are removed."""
    from fieldfare.core.plans import read_manifest
    from fieldfare.emulator.devices import draw_behaviour

    settings = scenario.settings
    if settings.model.source is None:
        read_manifest(settings.plan)
    draw_behaviour(settings.fleet, 1, settings.seed)


def _run_one(scenario: Any, folder: Path, console: Console, *, resume: bool) -> Any:
    """Run it with a display of its rounds, and write its results."""
    from fieldfare.core.command import quiet_log, quiet_native_output
    from fieldfare.core.plans import read_manifest
    from fieldfare.emulator.emulation import emulate, main_metric, write_results
    from fieldfare.emulator.model_export import plan_of
    from fieldfare.emulator.partition import describe_partition
    from fieldfare.emulator.progress import ProgressDisplay

    with quiet_native_output():
        manifest = read_manifest(plan_of(scenario, folder))

    def tell(statistics: Any) -> None:
        for line in describe_partition(statistics):
            console.say(line)

    display = ProgressDisplay(console.out, metric=main_metric(scenario.task, manifest), rounds=scenario.task.rounds)
    # The display tells what happens; the library's own log would be drawn into it.
    with quiet_log(), display:
        with quiet_native_output():
            outcome = emulate(scenario, folder, on_start=tell, on_round=display.update, resume=resume)
        display.update(outcome.status)
    write_results(folder, scenario, outcome)
    return outcome


COMMAND = Command(summary="Try a fleet on this machine, in emulated time", configure=_configure)
