"""What a run works with, and whether it is what an earlier run began with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import Manifest
from fieldfare.emulator.data import Table
from fieldfare.emulator.devices import Behaviour, Exclusions, draw_behaviour, too_small
from fieldfare.emulator.emulation._preparation import prepare
from fieldfare.emulator.partition import Partition, PartitionStatistics
from fieldfare.emulator.scenario import Scenario, TraceSettings, scenario_values

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
class Inputs:
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


def read_inputs(scenario: Scenario, folder: Path, examples: Mapping[str, ArrayLike] | None, model: Any) -> Inputs:
    """Read and check plan, examples and traces, and draw what the devices are like.

    Args:
        scenario: what is emulated.
        folder: for a plan that is exported from a Keras model.
        examples: see `emulate`.
        model: see `emulate`.

    Raises:
        FieldfareError: what is wrong with them.
    """
    settings = scenario.settings
    prepared = prepare(scenario, folder, examples=examples, model=model)
    behaviour = draw_behaviour(settings.fleet, prepared.partition.devices, settings.seed)
    exclusions = too_small(behaviour.memory_bytes, scenario.task, prepared.manifest)
    return Inputs(
        prepared.plan,
        prepared.manifest,
        prepared.table,
        prepared.partition,
        prepared.statistics,
        behaviour,
        exclusions,
    )


def what_began(scenario: Scenario, inputs: Inputs) -> dict[str, Any]:
    """As JSON has it: what a run that goes on must have begun with."""
    return {"scenario": scenario_values(scenario), "inputs": inputs.digest(scenario.settings.fleet.traces)}


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
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
