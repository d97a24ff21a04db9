"""Runs a scenario and leaves its results in a folder."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from fieldfare.aggregator.storage import StateFolder
from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.weights import total_size
from fieldfare.emulator.emulation._checkpoints import Checkpoints
from fieldfare.emulator.emulation._engines import artifacts_in, open_workers
from fieldfare.emulator.emulation._inputs import Inputs, check_same, read_inputs, what_began
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.partition import PartitionStatistics
from fieldfare.emulator.results_folder import STATE
from fieldfare.emulator.scenario import Scenario
from fieldfare.emulator.workers import WorkerSettings, write_examples
from fieldfare.protos.v1 import task_pb2

_AHEAD = 4


def emulate(
    scenario: Scenario,
    folder: Path,
    *,
    on_start: Callable[[PartitionStatistics], None],
    on_round: Callable[[task_pb2.TaskStatus], None],
    resume: bool = False,
    examples: Mapping[str, ArrayLike] | None = None,
    model: Any = None,
    elapsed: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Run a scenario to the end of its task, or of its time, or until it is stopped.

    A Ctrl-C, and an error once devices are at work, end the run and stand in the outcome, so that its results can be
    written: whoever has done that raises `Outcome.stopped`.

    Args:
        scenario: what is emulated.
        folder: gets the aggregator's state, the examples as the workers read them, and `devices.csv`; empty, or with
            `resume` that of a run of the same scenario.
        on_start: told of the partition before anything is trained.
        on_round: told of the task after each round.
        resume: go on from the last checkpoint of the run in the folder, with the same result as if it had not been
            interrupted.
        examples: arrays in place of `data.source`, `(n, ...)` by the names of the plan's tensors, or as `data.columns`
            says; one more by `data.column`, where that tells whose each example is.
        model: a compiled `keras.Model` in place of the plan, exported as `scenario.settings.model` says.
        elapsed: seconds that pass on this machine, from any beginning.

    Raises:
        ConfigError: the run in the folder was begun with another scenario, or with other data.
        FieldfareError: what is wrong with plan, data or task; a disk that is full; workers that end again and again.
    """
    inputs = read_inputs(scenario, folder, examples, model)
    on_start(inputs.statistics)
    checkpoints = Checkpoints(folder / "checkpoints")
    last = checkpoints.newest() if resume else None
    begun_with = what_began(scenario, inputs)
    if last is None:
        _discard(folder)
        write_examples(folder / "examples", inputs.manifest.example_specs, inputs.table.examples, inputs.partition)
    else:
        check_same(last["begun_with"], begun_with)
        with StateFolder(folder / STATE) as state:
            checkpoints.restore(state.database_file)
    engine = scenario.settings.engine
    ahead = _AHEAD * engine.workers
    worker, nbytes = _worker(scenario, folder), _update_bytes(scenario, inputs)
    with open_workers(engine, worker, update_bytes=nbytes, results=ahead, log=folder / "workers.log") as workers:
        # Imported here, with data base and engine: workers start meanwhile.
        from fieldfare.emulator.emulation._run import Run

        run = Run(scenario, folder, inputs, checkpoints, begun_with, on_round, elapsed)
        return run.outcome(workers, last, ahead=ahead)


def _worker(scenario: Scenario, folder: Path) -> WorkerSettings:
    engine = scenario.settings.engine
    return WorkerSettings(
        examples=folder / "examples",
        artifacts=artifacts_in(engine, folder / STATE),
        population=scenario.task.population,
        seed=scenario.settings.seed,
        trainer=engine.trainer,
    )


def _update_bytes(scenario: Scenario, inputs: Inputs) -> int:
    task, size = scenario.task, total_size(inputs.manifest.weight_specs)
    return task.aggregation.algorithm.vectors * encoded_bytes(task.encoding, size)


def _discard(folder: Path) -> None:
    """Remove what a run has left that was cut off before its first checkpoint: its task would go on too."""
    if (folder / STATE).exists():
        # Its lock tells whether that run is under way still.
        with StateFolder(folder / STATE):
            for name in (STATE, "controls"):
                shutil.rmtree(folder / name, ignore_errors=True)
