"""What carries the devices' work out, and how they reach the aggregator, as `[engine]` says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.errors import ConfigError
from fieldfare.emulator.scenario import EngineSettings
from fieldfare.emulator.simulation import artifacts_folder
from fieldfare.emulator.workers import ProcessPool, Workers, WorkerSettings, find_trainer, read_examples

if TYPE_CHECKING:
    from fieldfare.emulator.simulation import EmulatedAggregator, EmulatedClock


def open_aggregator(engine: EngineSettings, state: Path, clock: "EmulatedClock") -> "EmulatedAggregator":
    """The aggregator, as devices reach it; a context manager. Imported here: workers start meanwhile.

    Args:
        engine: says how.
        state: folder of its state.
        clock: emulated time.
    """
    if engine.transport == "grpc":
        from fieldfare.emulator.wire import WireAggregator

        return WireAggregator(state, clock)
    from fieldfare.emulator.simulation import EmulatedAggregator

    return EmulatedAggregator(state, clock)


def artifacts_in(engine: EngineSettings, state: Path) -> Path:
    """Where the workers will find plans and checkpoints; known before the aggregator is opened."""
    if engine.transport == "grpc":
        from fieldfare.emulator.wire import WireAggregator

        return WireAggregator.artifacts_in(state)
    return artifacts_folder(state)


@contextmanager
def open_workers(
    engine: EngineSettings, settings: WorkerSettings, *, update_bytes: int, results: int, log: Path
) -> Iterator[Workers]:
    """The workers, for the time of a run.

    Args:
        engine: says which.
        settings: what each is told.
        update_bytes: length of an encoded update.
        results: that wait to be taken, as a rule.
        log: file for what worker processes say.

    Raises:
        ConfigError: the engine is not installed here, or there is no such trainer.
        WorkersError: there is no such cluster, or it cannot hold the examples.
    """
    # Asked here, since a worker that cannot make its trainer can only end.
    find_trainer(engine.trainer)
    if engine.kind == "processes":
        with ProcessPool(settings, engine.workers, update_bytes, results, log) as pool:
            yield pool
        return
    try:
        from fieldfare.emulator.cluster import RayWorkers, ray_cluster
    except ModuleNotFoundError as error:
        message = f"\"ray\" needs an extra ({error.name} is missing): pip install 'fieldfare[ray]'"
        raise ConfigError(message, field="engine.kind") from error
    nbytes = read_examples(settings.examples).nbytes
    with ray_cluster(engine.ray_address, engine.workers, nbytes), RayWorkers(settings, engine.workers) as workers:
        yield workers
