"""Runs a scenario and leaves its results in a folder."""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fieldfare.aggregator.storage import StateFolder
from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.errors import ConfigError, FieldfareError
from fieldfare.core.plans import Manifest
from fieldfare.core.weights import total_size
from fieldfare.emulator.data import Table
from fieldfare.emulator.devices import Behaviour, Exclusions, availability_by_hour, draw_behaviour, too_small
from fieldfare.emulator.emulation._checkpoints import Checkpoints
from fieldfare.emulator.emulation._engines import artifacts_in, open_aggregator, open_workers
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.emulation._preparation import prepare
from fieldfare.emulator.partition import Partition, PartitionStatistics
from fieldfare.emulator.records import DeviceRows, Totals, reported_metrics
from fieldfare.emulator.results_folder import STATE
from fieldfare.emulator.scenario import Scenario, TraceSettings, scenario_values
from fieldfare.emulator.simulation import (
    BEGINNING,
    EmulatedAggregator,
    EmulatedClock,
    EmulatedFleet,
    FleetControls,
    Simulation,
    SimulationState,
)
from fieldfare.emulator.workers import Workers, WorkerSettings, write_examples
from fieldfare.protos.v1 import task_pb2

_AHEAD = 4
# Nothing of this changes a bit of the result; what the files hold is in the digest.
_FREE_TO_CHANGE = (
    "engine.kind",
    "engine.checkpoint_every",
    "engine.workers",
    "engine.ray_address",
    "engine.transport",
    "longest",
    "plan",
    "model.source",
    "data.source",
    "data.most_bytes",
    "fleet.traces.",
)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """All that a run works with, read and checked."""

    plan: bytes
    manifest: Manifest
    table: Table
    partition: Partition
    statistics: PartitionStatistics
    behaviour: Behaviour
    exclusions: Exclusions

    def digest(self, traces: TraceSettings) -> str:
        """Of plan, examples, partition and traces: what a run that goes on must find unchanged."""
        found = hashlib.sha256(self.plan)
        for path in filter(None, (traces.states, traces.networks, traces.speeds)):
            found.update(path.read_bytes())
        for array in (*self.table.examples.values(), self.partition.rows, self.partition.starts):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


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
    inputs = _read(scenario, folder, examples, model)
    on_start(inputs.statistics)
    checkpoints = Checkpoints(folder / "checkpoints")
    last = checkpoints.newest() if resume else None
    begun_with = {"scenario": scenario_values(scenario), "inputs": inputs.digest(scenario.settings.fleet.traces)}
    if last is None:
        _discard(folder)
        write_examples(folder / "examples", inputs.manifest.example_specs, inputs.table.examples, inputs.partition)
    else:
        _check_same(last["begun_with"], begun_with)
        EmulatedAggregator.restore(folder / STATE, checkpoints.restore)
    run = _Run(scenario, folder, inputs, checkpoints, begun_with, on_round, elapsed)
    return run.outcome(last)


@dataclass(slots=True)
class _Run:
    scenario: Scenario
    folder: Path
    inputs: _Inputs
    checkpoints: Checkpoints
    begun_with: Mapping[str, Any]
    on_round: Callable[[task_pb2.TaskStatus], None]
    elapsed: Callable[[], float]

    def outcome(self, last: Mapping[str, Any] | None) -> Outcome:
        """From the beginning, or from a checkpoint's state."""
        scenario, inputs = self.scenario, self.inputs
        clock = EmulatedClock()
        metrics = reported_metrics(inputs.manifest.metric_names, local=scenario.task.local.local_metrics)
        engine, state_folder = scenario.settings.engine, self.folder / STATE
        # Workers first: they start while the aggregator does.
        with self._pool(state_folder) as pool, open_aggregator(engine, state_folder, clock) as aggregator:
            fleet = _fleet(scenario, inputs)
            state, before_s, totals, position = SimulationState(), 0.0, Totals(), 0
            if last is None:
                aggregator.submit(inputs.plan, scenario.task)
            else:
                aggregator.go_on(last["task"], scenario.task)
                state = SimulationState.from_json(
                    last["simulation"],
                    lambda assignment, device: aggregator.ticket_of(assignment, fleet.device_id(device)),
                )
                clock.advance(state.now)
                before_s, totals, position = last["seconds"], Totals.from_json(last["totals"]), last["rows"]
            started = written = self.elapsed()
            every_s = scenario.settings.engine.checkpoint_every.total_seconds()

            def on_round(now: SimulationState) -> None:
                nonlocal written
                # SCAFFOLD's devices go on from here: there is no way back behind that.
                if now.settling or self.elapsed() - written >= every_s or not aggregator.active:
                    keep(now)
                    written = self.elapsed()
                self.on_round(aggregator.status())

            def keep(now: SimulationState) -> None:
                kept = {
                    "begun_with": self.begun_with,
                    "task": aggregator.task,
                    "simulation": now.to_json(),
                    "seconds": before_s + self.elapsed() - started,
                    "totals": totals.to_json(),
                    "rows": rows.position(),
                }
                self.checkpoints.write(kept, aggregator.database_file)

            devices = self.folder / "devices.csv"
            with DeviceRows(devices, totals, metrics, position) as rows:
                simulation = self._simulation(aggregator, fleet, pool, clock, state, rows, on_round)
                ended, stopped = _run(simulation, rows, BEGINNING + scenario.settings.longest)
            seconds = before_s + self.elapsed() - started
            status = aggregator.status(whole=True)
            newest = aggregator.weights()
        emulated_s = (clock() - BEGINNING).total_seconds()
        return Outcome(
            manifest=inputs.manifest,
            statistics=inputs.statistics,
            available=availability_by_hour(inputs.behaviour.availability),
            status=status,
            ended=ended,
            stopped=stopped,
            metrics=metrics,
            totals=totals,
            emulated_s=emulated_s,
            seconds=seconds,
            weights=newest,
            excluded=inputs.exclusions.reasons,
        )

    def _pool(self, state_folder: Path) -> AbstractContextManager[Workers]:
        settings, task = self.scenario.settings, self.scenario.task
        worker = WorkerSettings(
            examples=self.folder / "examples",
            artifacts=artifacts_in(settings.engine, state_folder),
            population=task.population,
            seed=settings.seed,
            trainer=settings.engine.trainer,
        )
        size = total_size(self.inputs.manifest.weight_specs)
        nbytes = task.aggregation.algorithm.vectors * encoded_bytes(task.encoding, size)
        log = self.folder / "workers.log"
        return open_workers(settings.engine, worker, update_bytes=nbytes, results=self._ahead, log=log)

    def _simulation(
        self,
        aggregator: EmulatedAggregator,
        fleet: EmulatedFleet,
        pool: Workers,
        clock: EmulatedClock,
        state: SimulationState,
        rows: DeviceRows,
        on_round: Callable[[SimulationState], None],
    ) -> Simulation:
        task, size = self.scenario.task, total_size(self.inputs.manifest.weight_specs)
        scaffold = task.aggregation.algorithm.vectors > 1
        return Simulation(
            aggregator,
            fleet,
            pool,
            clock,
            task,
            controls=FleetControls(self.folder / "controls", size) if scaffold else None,
            state=state,
            seed=self.scenario.settings.seed,
            give_up_after=self.scenario.settings.give_up_after,
            ahead=self._ahead,
            on_end=lambda ending: rows.add(ending, (ending.flight.began - BEGINNING).total_seconds()),
            on_round=on_round,
        )

    @property
    def _ahead(self) -> int:
        return _AHEAD * self.scenario.settings.engine.workers


def _run(simulation: Simulation, rows: DeviceRows, until: datetime) -> tuple[bool, BaseException | None]:
    """Whether the task has ended, and what stopped it before: the results until then are kept."""
    try:
        try:
            return simulation.run(until), None
        finally:
            # A full disk may show only here.
            rows.close()
    except (KeyboardInterrupt, FieldfareError) as error:
        return False, error


def _read(scenario: Scenario, folder: Path, examples: Mapping[str, ArrayLike] | None, model: Any) -> _Inputs:
    settings = scenario.settings
    prepared = prepare(scenario, folder, examples=examples, model=model)
    behaviour = draw_behaviour(settings.fleet, prepared.partition.devices, settings.seed)
    exclusions = too_small(behaviour.memory_bytes, scenario.task, prepared.manifest)
    return _Inputs(
        prepared.plan,
        prepared.manifest,
        prepared.table,
        prepared.partition,
        prepared.statistics,
        behaviour,
        exclusions,
    )


def _discard(folder: Path) -> None:
    """Remove what a run has left that was cut off before its first checkpoint: its task would go on too."""
    if (folder / STATE).exists():
        # Its lock tells whether that run is under way still.
        with StateFolder(folder / STATE):
            for name in (STATE, "controls"):
                shutil.rmtree(folder / name, ignore_errors=True)


def _check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where a run would go on as another one than it was begun as."""
    for key, value in now["scenario"].items():
        if not key.startswith(_FREE_TO_CHANGE) and before["scenario"].get(key) != value:
            was = before["scenario"].get(key)
            raise ConfigError(
                f"the run was begun with {was!r}, and cannot go on with {value!r}: run it without --resume", field=key
            )
    if before["inputs"] != now["inputs"]:
        raise ConfigError(
            "plan, data or traces are not those that the run was begun with: run it without --resume",
            field="data.source",
        )


def _fleet(scenario: Scenario, inputs: _Inputs) -> EmulatedFleet:
    settings = scenario.settings
    return EmulatedFleet(
        inputs.behaviour,
        inputs.exclusions.fit,
        inputs.partition,
        inputs.manifest,
        dropout=settings.fleet.dropout,
        seed=settings.seed,
    )
