"""The plan: manifest, `.tflite` container and the LiteRT runtime that executes its signatures.

`PlanRuntime` is the one place that imports `ai_edge_litert`'s interpreter; the device trains with it, the converter
checks parity with it, and task submission reads the initial weights with it.
"""

from fieldfare.core.plans._container import attach_manifest, pack_model, read_manifest
from fieldfare.core.plans._examples import Examples, check_examples, count_rows, take_rows
from fieldfare.core.plans._manifest import (
    FORMAT_VERSION,
    MAX_BATCH_SIZE,
    WEIGHT_SUM,
    Manifest,
    PlanMetric,
    PlanTensor,
    WeightRole,
)
from fieldfare.core.plans._memory import training_memory
from fieldfare.core.plans._runtime import PlanRuntime, runtime_version

__all__ = [
    "FORMAT_VERSION",
    "MAX_BATCH_SIZE",
    "WEIGHT_SUM",
    "Examples",
    "Manifest",
    "PlanMetric",
    "PlanRuntime",
    "PlanTensor",
    "WeightRole",
    "attach_manifest",
    "check_examples",
    "count_rows",
    "pack_model",
    "read_manifest",
    "runtime_version",
    "take_rows",
    "training_memory",
]
