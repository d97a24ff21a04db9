"""The demo from the first byte to the last: split, export, serve, train, evaluate, write."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.ports import why_not_bound
from fieldfare.core.addresses import Address
from fieldfare.core.command import Console, quiet_log, quiet_native_output
from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.demo._digits import DigitsSplit, export_plan, split_digits
from fieldfare.emulator.demo._interrupts import kept_interrupts
from fieldfare.emulator.demo._results import write_results
from fieldfare.emulator.demo._settings import (
    HELD_OUT_SHARE,
    METRIC,
    POPULATION,
    TEST_SHARE,
    DemoOutcome,
    DemoSettings,
)
from fieldfare.emulator.fleet import Fleet, VirtualDevice
from fieldfare.emulator.progress import ProgressDisplay
from fieldfare.emulator.results_folder import STATE, prepare_folder
from fieldfare.protos.v1 import task_pb2

_POLL_S = 0.25
_PACE = PaceSettings(shortest=timedelta(milliseconds=200), longest=timedelta(seconds=5))


def run_demo(settings: DemoSettings, console: Console) -> bool:
    """Run the demo and write its results into `settings.output`.

    Returns:
        Whether the target was reached.

    Raises:
        FieldfareError: a taken port, an unwritable folder, a worker that died.
    """
    # Before earlier results are removed, and before any work.
    if settings.port and (why := why_not_bound(Address("127.0.0.1", settings.port))) is not None:
        raise ConfigError(why, field="--port")
    folder = prepare_folder(settings.output, "demo")
    # The display tells what happens; the library's own log would be drawn into it.
    with quiet_log(), kept_interrupts() as obey_interrupt:
        return _run_steps(folder, settings, console, obey_interrupt)


def _run_steps(folder: Path, settings: DemoSettings, console: Console, obey_interrupt: Callable[[], None]) -> bool:
    started = time.monotonic()
    with Aggregator(
        folder / STATE, listen=f"127.0.0.1:{settings.port}", settings=ServerSettings(pace=_PACE)
    ) as aggregator:
        console.say(
            f"1/4  putting 360 of 1,797 handwritten digits aside, spreading the others over {settings.devices} devices"
        )
        with quiet_native_output():
            split = split_digits(
                devices=settings.devices, alpha=settings.alpha, test_share=TEST_SHARE, seed=settings.seed
            )
        console.say("2/4  exporting the Keras model to a plan that trains on LiteRT")
        plan_path = folder / "plan.tflite"
        with quiet_native_output():
            manifest = export_plan(plan_path, settings.seed)
        obey_interrupt()
        devices = _fill_stores(folder / "devices", split, manifest, settings.seed)
        outcome = _train(folder, plan_path, devices, aggregator, settings, console, obey_interrupt)
    console.say("4/4  measuring on digits that no device holds, writing the results")
    with quiet_native_output():
        accuracy = write_results(folder, manifest, split, settings, outcome, time.monotonic() - started)
    _say_results(folder, outcome, accuracy, console)
    return outcome.status.reason.startswith("target reached")


def _fill_stores(folder: Path, split: DigitsSplit, manifest: Manifest, seed: int) -> list[VirtualDevice]:
    from fieldfare.sdk import ExampleStore

    devices = []
    for index, examples in enumerate(split.devices):
        own = folder / f"{index:02d}"
        own.mkdir(parents=True)
        with ExampleStore.create(own / "examples.db", manifest.example_specs, held_out_share=HELD_OUT_SHARE) as store:
            store.add_many(examples)
        devices.append(VirtualDevice(own, own / "examples.db", seed * 1000 + index))
    return devices


def _train(
    folder: Path,
    plan_path: Path,
    devices: list[VirtualDevice],
    aggregator: Aggregator,
    settings: DemoSettings,
    console: Console,
    obey_interrupt: Callable[[], None],
) -> DemoOutcome:
    """Start the fleet, submit the task and watch it to its end."""
    fleet = Fleet(
        devices,
        aggregator=aggregator.address,
        population=POPULATION,
        processes=settings.processes,
        log=folder / "devices.log",
    )
    console.say(
        f"3/4  training: aggregator on {aggregator.address}, {settings.devices} devices in {fleet.processes} "
        f"processes, up to {settings.rounds} rounds, until held-out {METRIC} is {settings.target:g}"
    )
    began = time.monotonic()
    with fleet, AdminClient(aggregator.admin_address) as admin:
        with quiet_native_output():
            task_id = admin.submit(plan_path, settings.task()).task_id
        with ProgressDisplay(console.out, metric=METRIC, rounds=settings.rounds) as display:
            while True:
                status = admin.show(task_id, rounds_after=0)
                display.update(status)
                if status.state not in {task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_PAUSED}:
                    break
                fleet.check()
                obey_interrupt()
                time.sleep(_POLL_S)
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
        return DemoOutcome(status, weights, fleet.processes, time.monotonic() - began)


def _say_results(folder: Path, outcome: DemoOutcome, accuracy: float, console: Console) -> None:
    store = folder / "devices" / "00"
    console.say()
    console.say(f"{outcome.status.reason}; accuracy on digits that no device trained on: {accuracy:.4f}")
    console.say(f"rounds took {outcome.seconds:.1f} s. Written to {folder}:")
    for name, what in (
        ("report.html", "plots and the table of rounds; opens without network"),
        ("rounds.csv", "the same table for a spreadsheet"),
        ("summary.json", "results, settings and versions"),
        ("plan.tflite", "the plan with the trained weights inside"),
        ("global.safetensors", "the trained weights alone"),
        ("model.tflite", "a plain inference model for any TFLite runtime"),
    ):
        console.say(f"  {name:<20} {what}")
    console.say("What to try next (after `source .venv/bin/activate`):")
    console.say(f"  fieldfare device ledger --folder {store}   every byte that this device sent")
    console.say(f"  fieldfare plan show {folder / 'plan.tflite'}")
    console.say("  fieldfare demo --alpha 0.1 --target 0.95 --output runs/few   devices that know few digits each")
    console.say("  README.md, 'By hand, in three terminals'   the same with your own model and data")
