"""What a device needs to know of a plan beside the graph itself."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from google.protobuf.message import DecodeError

from fieldfare.core.errors import PlanError, WeightsError
from fieldfare.core.metrics import LOSS, MAX_METRIC_NAME, MAX_METRICS
from fieldfare.core.weights import TensorSpec, specs_from_proto, specs_to_proto
from fieldfare.protos.v1 import plan_pb2

FORMAT_VERSION = 2
MAX_BATCH_SIZE = 65_536


WEIGHT_SUM = "weight_sum"
"""Key, among the outputs of `evaluate`, of the sum of the examples' weights."""


class WeightRole(Enum):
    """What moves a weight during training: the optimiser, or (moving statistics) the forward pass."""

    TRAINED = plan_pb2.WEIGHT_ROLE_TRAINED
    STATISTIC = plan_pb2.WEIGHT_ROLE_STATISTIC


@dataclass(frozen=True, slots=True)
class PlanTensor:
    """A tensor of the plan and the key under which the signatures know it. Shapes are those of one example.

    Attributes:
        role: of a weight; None for every other tensor.
    """

    spec: TensorSpec
    key: str
    role: WeightRole | None = None


@dataclass(frozen=True, slots=True)
class PlanMetric:
    """A metric of `evaluate`: its name, the key of its sum, and that of what the sum is divided by."""

    name: str
    key: str
    weight_key: str = WEIGHT_SUM


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a plan; the fields are described in `plan.proto`.

    Attributes:
        weights: those that are trained, then the statistics.
        learning_rate: the local optimiser's own, used where a task gives none.
        loss_weight_key: key of what "loss_sum" is divided by.
        state: the local optimiser's variables.
        trainable: what the exporter was asked to train; empty for the model's own choice.
        frozen_sha256: digest of the frozen weights; empty where none are.
        frozen_int8: whether large frozen weights are stored in 8 bits.
        training_memory_bytes: what training takes, by `training_memory` at export; 0 where that is not said.
    """

    name: str
    batch_size: int
    inputs: tuple[PlanTensor, ...]
    targets: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    weights: tuple[PlanTensor, ...]
    loss: str
    metrics: tuple[PlanMetric, ...]
    optimizer: str
    learning_rate: float
    has_gradients: bool = False
    tried_on: tuple[str, ...] = ()
    made_with: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    loss_weight_key: str = WEIGHT_SUM
    state: tuple[PlanTensor, ...] = ()
    trainable: tuple[str, ...] = ()
    frozen_sha256: bytes = b""
    frozen_int8: bool = False
    training_memory_bytes: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise PlanError(f"the plan's batch size is {self.batch_size}; 1 to {MAX_BATCH_SIZE} is possible")
        if not (self.inputs and self.outputs and self.weights):
            raise PlanError("the plan's manifest names no inputs, no outputs or no trainable weights")
        if any(one.spec.dtype != "float32" for one in self.weights):
            raise PlanError("the plan's trainable weights must be float32")
        if any(one.role is None for one in self.weights):
            raise PlanError("the plan's manifest does not say of each weight what moves it")
        if len(self.frozen_sha256) not in {0, 32}:
            raise PlanError("the plan's digest of its frozen weights is cut short")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise PlanError(f"the plan's learning rate is {self.learning_rate}; it must be positive")
        examples = (*self.inputs, *self.targets)
        if not _distinct([one.spec.name for one in examples]):
            raise PlanError("the plan's inputs and targets do not have names of their own")
        fed = ["example_weight", "learning_rate", *(one.key for one in examples)]
        if not (_distinct(fed) and _distinct([LOSS, *(one.key for one in self.weights)])):
            raise PlanError("the plan's inputs, targets and weights do not have keys of their own")
        named = all(0 < len(name) <= MAX_METRIC_NAME for name in self.metric_names)
        if not (named and _distinct(self.metric_names) and len(self.metrics) < MAX_METRICS):
            raise PlanError(
                f"the plan's metrics need names of their own beside loss, of 1 to {MAX_METRIC_NAME} characters, "
                f"and be fewer than {MAX_METRICS}"
            )

    @property
    def example_specs(self) -> tuple[TensorSpec, ...]:
        """What one example consists of: inputs, then targets; shapes without the batch axis."""
        return tuple(one.spec for one in (*self.inputs, *self.targets))

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """The inputs alone; shapes without the batch axis."""
        return tuple(one.spec for one in self.inputs)

    @property
    def weight_specs(self) -> tuple[TensorSpec, ...]:
        """The trainable weights in the order in which they travel."""
        return tuple(one.spec for one in self.weights)

    @property
    def statistics(self) -> tuple[slice, ...]:
        """Where the moving statistics lie in the flat vector of weights."""
        ends = list(itertools.accumulate(one.spec.size for one in self.weights))
        pairs = zip(self.weights, ends, strict=True)
        return tuple(slice(end - one.spec.size, end) for one, end in pairs if one.role is WeightRole.STATISTIC)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The loss under the name "loss", and the metrics of `evaluate`."""
        return (LOSS, *(one.name for one in self.metrics))

    @property
    def evaluated(self) -> tuple[PlanMetric, ...]:
        """What `evaluate` yields: the loss under the name "loss", and the metrics."""
        return (PlanMetric(LOSS, "loss_sum", self.loss_weight_key), *self.metrics)

    def to_bytes(self) -> bytes:
        """The protobuf form; equal manifests give equal bytes."""
        proto = plan_pb2.PlanManifest(
            format_version=FORMAT_VERSION,
            name=self.name,
            batch_size=self.batch_size,
            inputs=_to_proto(self.inputs),
            targets=_to_proto(self.targets),
            outputs=_to_proto(self.outputs),
            weights=_to_proto(self.weights),
            loss=self.loss,
            metrics=[
                plan_pb2.PlanMetric(name=one.name, key=one.key, weight_key=one.weight_key) for one in self.metrics
            ],
            optimizer=plan_pb2.LocalOptimizer(name=self.optimizer, learning_rate=self.learning_rate),
            has_gradients=self.has_gradients,
            tried_on=self.tried_on,
            made_with=self.made_with,
            notes=self.notes,
            loss_weight_key=self.loss_weight_key,
            state=_to_proto(self.state),
            trainable=self.trainable,
            frozen_sha256=self.frozen_sha256,
            frozen_int8=self.frozen_int8,
            training_memory_bytes=self.training_memory_bytes,
        )
        return proto.SerializeToString(deterministic=True)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Check and read the protobuf form.

        Raises:
            PlanError: not a manifest, made by a newer version, or with fields that cannot be.
        """
        try:
            proto = plan_pb2.PlanManifest.FromString(data)
        except DecodeError as error:
            raise PlanError("the plan's manifest is damaged; export the plan again") from error
        if proto.format_version != FORMAT_VERSION:
            raise PlanError(
                f"the plan has format version {proto.format_version}, this Fieldfare reads {FORMAT_VERSION}: "
                "upgrade Fieldfare, or export the plan again"
            )
        try:
            return cls(
                name=proto.name,
                batch_size=proto.batch_size,
                inputs=_from_proto(proto.inputs),
                targets=_from_proto(proto.targets),
                outputs=_from_proto(proto.outputs),
                weights=_from_proto(proto.weights),
                loss=proto.loss,
                metrics=tuple(PlanMetric(one.name, one.key, one.weight_key) for one in proto.metrics),
                optimizer=proto.optimizer.name,
                learning_rate=proto.optimizer.learning_rate,
                has_gradients=proto.has_gradients,
                tried_on=tuple(proto.tried_on),
                made_with=tuple(proto.made_with),
                notes=tuple(proto.notes),
                loss_weight_key=proto.loss_weight_key,
                state=_from_proto(proto.state),
                trainable=tuple(proto.trainable),
                frozen_sha256=proto.frozen_sha256,
                frozen_int8=proto.frozen_int8,
                training_memory_bytes=proto.training_memory_bytes,
            )
        except WeightsError as error:
            raise PlanError(f"the plan's manifest cannot be used: {error}") from error


def _distinct(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _to_proto(tensors: Iterable[PlanTensor]) -> list[plan_pb2.PlanTensor]:
    return [
        plan_pb2.PlanTensor(
            spec=specs_to_proto([one.spec])[0], key=one.key, role=None if one.role is None else one.role.value
        )
        for one in tensors
    ]


def _from_proto(protos: Iterable[plan_pb2.PlanTensor]) -> tuple[PlanTensor, ...]:
    listed = list(protos)
    specs = specs_from_proto(one.spec for one in listed)
    return tuple(PlanTensor(spec, one.key, _ROLES.get(one.role)) for spec, one in zip(specs, listed, strict=True))


# A number that this version does not know is no role: the manifest is then refused.
_ROLES = {one.value: one for one in WeightRole}
