"""What stands before anything is trained: the plan, the examples, and whose they are."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from fieldfare.core.errors import PlanError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.emulator.data import Table, load_table, table_from_arrays
from fieldfare.emulator.model_export import plan_of
from fieldfare.emulator.partition import (
    Partition,
    PartitionStatistics,
    labels_if_any,
    make_partition,
    partition_statistics,
)
from fieldfare.emulator.scenario import Scenario


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A scenario that could begin.

    Attributes:
        plan: bytes of the plan.
        manifest: what it says of itself.
        table: all examples.
        partition: whose they are.
        statistics: of the partition.
    """

    plan: bytes
    manifest: Manifest
    table: Table
    partition: Partition
    statistics: PartitionStatistics


def prepare(scenario: Scenario, folder: Path, *, examples: Mapping[str, ArrayLike] | None, model: Any) -> Prepared:
    """Export where there is a model, read and spread the examples.

    Args:
        scenario: what is emulated.
        folder: for an exported plan.
        examples: arrays by the column's name, in place of `data.source`.
        model: a compiled `keras.Model`, in place of the plan.

    Raises:
        FieldfareError: what is wrong with plan, model or data.
    """
    settings = scenario.settings
    path = plan_of(scenario, folder, model)
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror or error}") from error
    manifest = read_manifest(plan)
    if examples is None:
        table = load_table(settings.data, manifest.example_specs)
    else:
        table = table_from_arrays(settings.data, manifest.example_specs, examples)
    partition = make_partition(settings.partition, table, settings.seed)
    labels = labels_if_any(settings.partition, table.examples)
    statistics = partition_statistics(partition, labels, table.examples)
    return Prepared(plan, manifest, table, partition, statistics)


def examine(
    scenario: Scenario, *, examples: Mapping[str, ArrayLike] | None = None, model: Any = None
) -> PartitionStatistics:
    """How a scenario's examples are spread; nothing is trained and nothing is left on the disk.

    Args:
        scenario: what would be emulated.
        examples: see `emulate`.
        model: see `emulate`.

    Raises:
        FieldfareError: what is wrong with plan, model or data.
    """
    with tempfile.TemporaryDirectory(prefix="fieldfare-examine-") as folder:
        return prepare(scenario, Path(folder), examples=examples, model=model).statistics
