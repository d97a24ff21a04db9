"""What the aggregator checks in a report: its header before it reads a byte of the payload, then the update."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation._norms import check_norm, clipped
from fieldfare.core.encodings import decode_update, encoded_bytes, stage_names
from fieldfare.core.errors import UpdateError, WeightsError
from fieldfare.core.metrics import MetricSum, local_metric_names, metrics_from_proto
from fieldfare.core.tasks import TaskSpec, Weighting
from fieldfare.core.weights import TensorSpec, specs_from_proto, total_size
from fieldfare.protos.v1 import aggregator_pb2, encoding_pb2, task_pb2


@dataclass(frozen=True, slots=True)
class ReportRules:
    """What a report of this round must keep to.

    Attributes:
        weights: the plan's trainable weights, in order.
        metric_names: the metrics that the plan's `evaluate` gives, loss included.
    """

    spec: TaskSpec
    weights: tuple[TensorSpec, ...]
    metric_names: tuple[str, ...]
    kind: task_pb2.RoundKind

    @property
    def values(self) -> int:
        """Numbers in an update: one for each weight, for SCAFFOLD two."""
        return total_size(self.weights) * self.spec.aggregation.algorithm.vectors


def check_header(header: aggregator_pb2.ReportHeader, rules: ReportRules) -> dict[str, MetricSum]:
    """Check the header of a report whose outcome is DONE.

    Returns:
        Its metrics.

    Raises:
        UpdateError: examples out of bounds, metrics that the plan does not have or that weigh more than the examples
            behind them, tensors that are not the plan's, an encoding that was not asked for, a false length.
    """
    # Safe: the bound keeps integers in the sum small; a device that holds more examples trains on its newest ones.
    if not 1 <= header.example_count <= rules.spec.local.max_examples:
        raise UpdateError("example_count", f"example_count must be 1 to {rules.spec.local.max_examples}")
    metrics = _check_metrics(header, rules)
    if rules.kind != task_pb2.ROUND_KIND_TRAINING:
        if header.payload_bytes or header.tensors:
            raise UpdateError("payload", "an evaluation report carries metrics only")
        if not metrics:
            raise UpdateError("metrics", "an evaluation report needs metrics")
        return metrics
    try:
        tensors = specs_from_proto(header.tensors)
    except WeightsError as error:
        raise UpdateError("tensors", str(error)) from error
    if tensors != rules.weights:
        raise UpdateError("tensors", "names, dtypes, shapes and order of the tensors must be those of the plan")
    if stage_names(header.encoding) != stage_names(rules.spec.encoding):
        raise UpdateError("encoding", "the update's encoding is not the one that the assignment asked for")
    vectors = rules.spec.aggregation.algorithm.vectors
    expected = encoded_bytes(header.encoding, total_size(rules.weights)) * vectors
    if header.payload_bytes != expected:
        raise UpdateError("length", f"the update must have {expected} bytes, not {header.payload_bytes}")
    return metrics


def read_update(
    encoding: encoding_pb2.Encoding, payload: bytes | bytearray | memoryview, rules: ReportRules
) -> NDArray[np.float32]:
    """Decode the payload of a training report and hold it to the task's bounds; clip it where the task says so.

    Returns:
        `(rules.values,)` float32, finite.

    Raises:
        UpdateError: a wrong length, values that are not finite or too large, a norm beyond the bound.
    """
    spec = rules.spec.aggregation
    vectors = spec.algorithm.vectors
    size = total_size(rules.weights)
    update = decode_update(encoding, payload, size, max_abs_value=spec.max_abs_value, parts=vectors)
    check_norm(update, spec.max_norm, parts=vectors)
    return clipped(update, spec.clip_norm)


def _check_metrics(header: aggregator_pb2.ReportHeader, rules: ReportRules) -> dict[str, MetricSum]:
    metrics = metrics_from_proto(header.metrics)
    training, local = rules.kind == task_pb2.ROUND_KIND_TRAINING, rules.spec.local
    held_out = local_metric_names(rules.metric_names) if training and local.local_metrics else frozenset()
    if unknown := sorted(set(metrics) - set(rules.metric_names) - held_out):
        raise UpdateError("metrics", f"the plan has no metric {', '.join(map(repr, unknown[:5]))}")
    most = header.example_count * (local.epochs if training else 1)
    # Held-out examples are none of those behind the update; a device evaluates `max_examples` of them at the most.
    if any(one.weight > (local.max_examples if name in held_out else most) for name, one in metrics.items()):
        raise UpdateError("metrics", "a metric's weight is more than the examples behind it")
    return metrics


def update_weight(spec: TaskSpec, example_count: int) -> int:
    """What an update counts for: its examples (McMahan et al. 2017, eq. 1) or one."""
    return example_count if spec.aggregation.weighting is Weighting.EXAMPLES else 1
