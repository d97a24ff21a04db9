"""Runs a scenario and leaves its results in a folder."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.weights import total_size
from fieldfare.emulator.data import load_table
from fieldfare.emulator.devices import draw_behaviour, too_small
from fieldfare.emulator.partition import (
    PartitionStatistics,
    labels_if_any,
    make_partition,
    partition_statistics,
)
from fieldfare.emulator.records import DeviceRows, Totals, reported_metrics
from fieldfare.emulator.results_folder import STATE
from fieldfare.emulator.scenario import Scenario
from fieldfare.emulator.simulation import (
    EmulatedAggregator,
    EmulatedClock,
    EmulatedFleet,
    FleetControls,
    Simulation,
    SimulationState,
)
from fieldfare.emulator.wire import WireAggregator
from fieldfare.emulator.workers import ProcessPool, WorkerSettings, write_examples
from fieldfare.protos.v1 import task_pb2

_AHEAD = 4
_TRANSPORTS = {"memory": EmulatedAggregator, "grpc": WireAggregator}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        manifest: of the plan.
        statistics: of the partition.
        status: the task with all of its rounds, in emulated time.
        ended: whether the task has ended; False where emulated time was over before.
        metrics: names of those that devices report, as in the columns of `devices.csv`.
        totals: over all devices.
        emulated_s: emulated seconds.
        seconds: seconds on this machine, from the first check-in.
        weights: bytes of the newest checkpoint.
        excluded: why devices were never asked, to how many they were.
    """

    manifest: Manifest
    statistics: PartitionStatistics
    status: task_pb2.TaskStatus
    ended: bool
    metrics: tuple[str, ...]
    totals: Totals
    emulated_s: float
    seconds: float
    weights: bytes
    excluded: Mapping[str, int]


def emulate(
    scenario: Scenario,
    folder: Path,
    *,
    on_start: Callable[[PartitionStatistics], None],
    on_round: Callable[[task_pb2.TaskStatus], None],
    elapsed: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Run a scenario to the end of its task, or of its time.

    Args:
        scenario: what is emulated.
        folder: empty; gets the aggregator's state, the examples as the workers read them, and `devices.csv`.
        on_start: told of the partition before anything is trained.
        on_round: told of the task after each round.
        elapsed: seconds that pass on this machine, from any beginning.

    Raises:
        FieldfareError: what is wrong with plan, data or task; a disk that is full; workers that end again and again.
    """
    settings = scenario.settings
    try:
        plan = settings.plan.read_bytes()
    except OSError as error:
        raise PlanError(f"cannot read the plan {settings.plan}: {error.strerror or error}") from error
    manifest = read_manifest(plan)
    table = load_table(settings.data, manifest.example_specs)
    partition = make_partition(settings.partition, table, settings.seed)
    labels = labels_if_any(settings.partition, table.examples)
    statistics = partition_statistics(partition, labels, table.examples)
    behaviour = draw_behaviour(settings.fleet, partition.devices, settings.seed)
    exclusions = too_small(behaviour.memory_bytes, scenario.task, manifest)
    fleet = EmulatedFleet(
        behaviour, exclusions.fit, partition, manifest, dropout=settings.fleet.dropout, seed=settings.seed
    )
    on_start(statistics)
    write_examples(folder / "examples", manifest.example_specs, table.examples, partition)
    clock = EmulatedClock()
    began, totals = clock(), Totals()
    with _TRANSPORTS[settings.engine.transport](folder / STATE, clock) as aggregator:
        aggregator.submit(plan, scenario.task)
        worker = WorkerSettings(
            examples=folder / "examples",
            artifacts=aggregator.artifacts,
            population=scenario.task.population,
            seed=settings.seed,
            trainer=settings.engine.trainer,
        )
        metrics = reported_metrics(manifest.metric_names, local=scenario.task.local.local_metrics)
        rows = DeviceRows(folder / "devices.csv", totals, metrics)
        started = elapsed()
        ahead = _AHEAD * settings.engine.workers
        spec = scenario.task
        size = total_size(manifest.weight_specs)
        vectors = spec.aggregation.algorithm.vectors
        update_bytes = vectors * encoded_bytes(spec.encoding, size)
        log = folder / "workers.log"
        with ProcessPool(worker, settings.engine.workers, update_bytes, ahead, log) as pool:
            simulation = Simulation(
                aggregator,
                fleet,
                pool,
                clock,
                spec,
                controls=FleetControls(folder / "controls", size) if vectors > 1 else None,
                state=SimulationState(now=began),
                seed=settings.seed,
                ahead=ahead,
                on_end=lambda ending: rows.add(ending, (ending.flight.began - began).total_seconds()),
                on_round=lambda _: on_round(aggregator.status()),
            )
            try:
                ended = simulation.run(began + settings.longest)
            finally:
                rows.close()
        seconds = elapsed() - started
        status = aggregator.status()
        newest = aggregator.weights()
    emulated_s = (clock() - began).total_seconds()
    return Outcome(
        manifest, statistics, status, ended, metrics, totals, emulated_s, seconds, newest, exclusions.reasons
    )
