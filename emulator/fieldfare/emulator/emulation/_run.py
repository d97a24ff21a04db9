"""A run: the aggregator, the devices and their emulated time, from a beginning or a checkpoint to the outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fieldfare.core.errors import FieldfareError
from fieldfare.core.weights import total_size
from fieldfare.emulator.devices import availability_by_hour
from fieldfare.emulator.emulation._checkpoints import Checkpoints
from fieldfare.emulator.emulation._engines import open_aggregator
from fieldfare.emulator.emulation._inputs import Inputs
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.records import DeviceRows, Totals, reported_metrics
from fieldfare.emulator.results_folder import STATE
from fieldfare.emulator.scenario import Scenario
from fieldfare.emulator.simulation import (
    BEGINNING,
    EmulatedAggregator,
    EmulatedClock,
    EmulatedFleet,
    FleetControls,
    Simulation,
    SimulationState,
)
from fieldfare.emulator.workers import Workers
from fieldfare.protos.v1 import task_pb2


@dataclass(slots=True)
class Run:
    """One run; the fields are what `emulate` was given and has read."""

    scenario: Scenario
    folder: Path
    inputs: Inputs
    checkpoints: Checkpoints
    begun_with: Mapping[str, Any]
    on_round: Callable[[task_pb2.TaskStatus], None]
    elapsed: Callable[[], float]

    def outcome(self, workers: Workers, last: Mapping[str, Any] | None, *, ahead: int) -> Outcome:
        """From the beginning, or from a checkpoint's state.

        Args:
            workers: carry the devices' work out.
            last: the checkpoint's state; None to begin.
            ahead: orders that are handed to the workers before their turn.
        """
        scenario, inputs = self.scenario, self.inputs
        clock = EmulatedClock()
        metrics = reported_metrics(inputs.manifest.metric_names, local=scenario.task.local.local_metrics)
        engine, state_folder = scenario.settings.engine, self.folder / STATE
        with open_aggregator(engine, state_folder, clock) as aggregator:
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
                simulation = self._simulation(aggregator, fleet, workers, clock, state, rows, on_round, ahead)
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

    def _simulation(
        self,
        aggregator: EmulatedAggregator,
        fleet: EmulatedFleet,
        workers: Workers,
        clock: EmulatedClock,
        state: SimulationState,
        rows: DeviceRows,
        on_round: Callable[[SimulationState], None],
        ahead: int,
    ) -> Simulation:
        task, size = self.scenario.task, total_size(self.inputs.manifest.weight_specs)
        scaffold = task.aggregation.algorithm.vectors > 1
        return Simulation(
            aggregator,
            fleet,
            workers,
            clock,
            task,
            controls=FleetControls(self.folder / "controls", size) if scaffold else None,
            state=state,
            seed=self.scenario.settings.seed,
            give_up_after=self.scenario.settings.give_up_after,
            ahead=ahead,
            on_end=lambda ending: rows.add(ending, (ending.flight.began - BEGINNING).total_seconds()),
            on_round=on_round,
        )


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


def _fleet(scenario: Scenario, inputs: Inputs) -> EmulatedFleet:
    settings = scenario.settings
    return EmulatedFleet(
        inputs.behaviour,
        inputs.exclusions.fit,
        inputs.partition,
        inputs.manifest,
        dropout=settings.fleet.dropout,
        seed=settings.seed,
    )
