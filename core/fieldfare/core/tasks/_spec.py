"""`TaskSpec`: every field with its default and its bounds, to and from the wire."""

import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT32, encoded_bytes
from fieldfare.core.errors import ConfigError, UpdateError
from fieldfare.core.metrics import LOSS
from fieldfare.protos.v1 import encoding_pb2, task_pb2

MAX_COHORT = 100_000
MAX_EXAMPLES = 10_000_000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ERROR_METRICS = re.compile(
    r"loss|error|mse|mae|mape|msle|divergence|perplexity|entropy|hinge|poisson|huber|cosh|false_", re.IGNORECASE
)
_SMALLEST_MAX_ABS_VALUE = 2.0**-20


class Algorithm(Enum):
    """How the global weights are made from the reports."""

    FEDAVG = task_pb2.ALGORITHM_FEDAVG
    DSGD = task_pb2.ALGORITHM_DSGD


class Weighting(Enum):
    """What a device's update counts for."""

    EXAMPLES = task_pb2.WEIGHTING_EXAMPLES
    UNIFORM = task_pb2.WEIGHTING_UNIFORM


def _need(condition: bool, name: str, message: str) -> None:
    if not condition:
        raise ConfigError(message, field=name)


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """Who takes part in a round, and for how long it waits.

    Attributes:
        goal_count: reports wanted; the round closes when they are in.
        minimum: fewest reports with which the round commits.
        over_selection: devices asked = `goal_count` times this, rounded up (Bonawitz et al. 2019, section 4.3).
        selection_timeout: the round is abandoned when fewer than `minimum` devices were found by then.
        report_timeout: time that a device has from its assignment to its report.
    """

    goal_count: int = 10
    minimum: int = 5
    over_selection: float = 1.3
    selection_timeout: timedelta = timedelta(minutes=10)
    report_timeout: timedelta = timedelta(minutes=10)

    @property
    def asked(self) -> int:
        """Devices that are handed an assignment."""
        return math.ceil(self.goal_count * self.over_selection - 1e-9)

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds; `name` is the dotted prefix."""
        _need(1 <= self.goal_count <= MAX_COHORT, f"{name}.goal_count", f"must be 1 to {MAX_COHORT}")
        _need(1 <= self.minimum <= self.goal_count, f"{name}.minimum", "must be 1 to goal_count")
        _need(1 <= self.over_selection <= 10, f"{name}.over_selection", "must be 1 to 10")  # noqa: PLR2004
        for key in ("selection_timeout", "report_timeout"):
            within = timedelta(0) < getattr(self, key) <= timedelta(days=7)
            _need(within, f"{name}.{key}", 'must be a positive duration of at most 7 days, such as "90s"')


@dataclass(frozen=True, slots=True)
class LocalTrainingSpec:
    """What a device does with its own examples.

    Attributes:
        epochs: passes over the training examples.
        max_steps: stop after so many optimiser steps; 0 for no limit.
        learning_rate: None for the plan's own.
        min_examples: a device with fewer training examples sits the round out.
        max_examples: a device uses its newest so many; also the largest weight of an update.
        min_evaluation_examples: a device with fewer held-out examples sits evaluation rounds out.
    """

    epochs: int = 1
    max_steps: int = 0
    learning_rate: float | None = None
    min_examples: int = 1
    max_examples: int = 100_000
    min_evaluation_examples: int = 2

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        _need(1 <= self.epochs <= 1000, f"{name}.epochs", "must be 1 to 1000")  # noqa: PLR2004
        _need(0 <= self.max_steps <= 10**6, f"{name}.max_steps", "must be 0 (no limit) to 1000000")
        rate = self.learning_rate
        _need(rate is None or (math.isfinite(rate) and rate > 0), f"{name}.learning_rate", "must be positive")
        _need(1 <= self.max_examples <= MAX_EXAMPLES, f"{name}.max_examples", f"must be 1 to {MAX_EXAMPLES}")
        _need(1 <= self.min_examples <= self.max_examples, f"{name}.min_examples", "must be 1 to max_examples")
        within = 1 <= self.min_evaluation_examples <= MAX_EXAMPLES
        _need(within, f"{name}.min_evaluation_examples", f"must be 1 to {MAX_EXAMPLES}")

    def to_proto(self) -> task_pb2.LocalTrainingSpec:
        """The wire form with every default written out; the learning rate only where there is one."""
        return task_pb2.LocalTrainingSpec(
            epochs=self.epochs,
            max_steps=self.max_steps,
            learning_rate=self.learning_rate,
            min_examples=self.min_examples,
            max_examples=self.max_examples,
            min_evaluation_examples=self.min_evaluation_examples,
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.LocalTrainingSpec) -> "LocalTrainingSpec":
        """Read the wire form; absent fields take their defaults. Does not check bounds."""
        return cls(
            epochs=_optional(proto, "epochs", 1),
            max_steps=_optional(proto, "max_steps", 0),
            learning_rate=_optional(proto, "learning_rate", None),
            min_examples=_optional(proto, "min_examples", 1),
            max_examples=_optional(proto, "max_examples", 100_000),
            min_evaluation_examples=_optional(proto, "min_evaluation_examples", 2),
        )


@dataclass(frozen=True, slots=True)
class AggregationSpec:
    """How reports become the next checkpoint.

    Attributes:
        server_learning_rate: factor of the mean update.
        min_snapshot_updates: nothing is written before so many devices are in a snapshot.
        max_abs_value: an update with a value beyond this magnitude is refused.
    """

    algorithm: Algorithm = Algorithm.FEDAVG
    weighting: Weighting = Weighting.EXAMPLES
    server_learning_rate: float = 1.0
    min_snapshot_updates: int = 2
    max_abs_value: float = 256.0

    def check(self, name: str, training: CohortSpec) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        rate = self.server_learning_rate
        _need(math.isfinite(rate) and 0 < rate <= 1e6, f"{name}.server_learning_rate", "must be positive")  # noqa: PLR2004
        within = 1 <= self.min_snapshot_updates <= training.minimum
        _need(within, f"{name}.min_snapshot_updates", f"must be 1 to training.minimum ({training.minimum})")
        within = _SMALLEST_MAX_ABS_VALUE <= self.max_abs_value <= 2**20
        _need(within, f"{name}.max_abs_value", "must be 2**-20 (0.00000095) to 1048576")


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """The task completes when an evaluation round's mean of `metric` reaches `value`."""

    metric: str
    value: float
    lower_is_better: bool

    def reached(self, mean: float) -> bool:
        """Whether `mean` is good enough."""
        return mean <= self.value if self.lower_is_better else mean >= self.value


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One job for a population; see `task.proto` for each field.

    Raises:
        ConfigError: a field out of its bounds; `field` names it as TOML spells it.
    """

    name: str
    population: str
    rounds: int = 10
    training: CohortSpec = CohortSpec()
    evaluation: CohortSpec = CohortSpec()
    evaluate_every: int = 1
    local: LocalTrainingSpec = LocalTrainingSpec()
    aggregation: AggregationSpec = AggregationSpec()
    target: TargetSpec | None = None
    encoding: encoding_pb2.Encoding = field(default_factory=lambda: FLOAT32)

    def __post_init__(self) -> None:
        for key in ("name", "population"):
            legal = _NAME.fullmatch(getattr(self, key)) is not None
            _need(legal, key, "needs 1 to 64 characters of letters, digits, '.', '_' and '-'")
        _need(1 <= self.rounds <= 10**6, "rounds", "must be 1 to 1000000")
        _need(0 <= self.evaluate_every <= self.rounds, "evaluate_every", "must be 0 (never) to rounds")
        self.training.check("training")
        self.evaluation.check("evaluation")
        self.local.check("local")
        self.aggregation.check("aggregation", self.training)
        if self.target is not None:
            _need(bool(self.target.metric), "target.metric", "names one of the plan's metrics, or loss")
            _need(math.isfinite(self.target.value), "target.value", "must be a finite number")
            _need(self.evaluate_every > 0, "evaluate_every", "must be at least 1 where there is a target")
        try:
            encoded_bytes(self.encoding, 1)
        except UpdateError as error:
            raise ConfigError(str(error), field="encoding") from error

    def check_against_plan(self, metric_names: tuple[str, ...], *, has_gradients: bool) -> None:
        """Check what only the plan can tell.

        Raises:
            ConfigError: a target metric that the plan does not report; D-SGD with a plan without `gradients`.
        """
        if self.target is not None and self.target.metric not in metric_names:
            raise ConfigError(f"the plan reports {', '.join(metric_names)} only", field="target.metric")
        if self.aggregation.algorithm is Algorithm.DSGD and not has_gradients:
            message = "DSGD needs a plan with the signature gradients: export it with --gradients"
            raise ConfigError(message, field="aggregation.algorithm")

    def to_proto(self) -> task_pb2.TaskSpec:
        """The wire form with every default written out."""
        aggregation = self.aggregation
        proto = task_pb2.TaskSpec(
            name=self.name,
            population=self.population,
            rounds=self.rounds,
            training=_cohort_to_proto(self.training),
            evaluation=_cohort_to_proto(self.evaluation),
            evaluate_every=self.evaluate_every,
            local=self.local.to_proto(),
            aggregation=task_pb2.AggregationSpec(
                algorithm=aggregation.algorithm.value,
                weighting=aggregation.weighting.value,
                server_learning_rate=aggregation.server_learning_rate,
                min_snapshot_updates=aggregation.min_snapshot_updates,
                max_abs_value=aggregation.max_abs_value,
            ),
            encoding=self.encoding,
        )
        if self.target is not None:
            target = self.target
            proto.target.CopyFrom(
                task_pb2.TargetSpec(metric=target.metric, value=target.value, lower_is_better=target.lower_is_better)
            )
        return proto

    @classmethod
    def from_proto(cls, proto: task_pb2.TaskSpec) -> "TaskSpec":
        """Read the wire form; absent fields take their defaults.

        Raises:
            ConfigError: a field out of its bounds.
        """
        training = _cohort_from_proto(proto.training, CohortSpec(), "training")
        evaluation = _cohort_from_proto(proto.evaluation, training, "evaluation")
        target = None
        if proto.HasField("target"):
            lower = _optional(proto.target, "lower_is_better", _lower_is_better(proto.target.metric))
            target = TargetSpec(proto.target.metric, proto.target.value, lower)
        return cls(
            name=proto.name,
            population=proto.population,
            rounds=_optional(proto, "rounds", 10),
            training=training,
            evaluation=evaluation,
            evaluate_every=_optional(proto, "evaluate_every", 1),
            local=LocalTrainingSpec.from_proto(proto.local),
            aggregation=_aggregation_from_proto(proto.aggregation, training),
            target=target,
            encoding=proto.encoding if proto.encoding.stages else FLOAT32,
        )


def _duration(value: timedelta) -> Duration:
    """A timedelta on the wire."""
    proto = Duration()
    proto.FromTimedelta(value)
    return proto


def _aggregation_from_proto(proto: task_pb2.AggregationSpec, training: CohortSpec) -> AggregationSpec:
    defaults = AggregationSpec()
    return AggregationSpec(
        algorithm=_enum(Algorithm, proto.algorithm, defaults.algorithm, "aggregation.algorithm"),
        weighting=_enum(Weighting, proto.weighting, defaults.weighting, "aggregation.weighting"),
        server_learning_rate=_optional(proto, "server_learning_rate", defaults.server_learning_rate),
        min_snapshot_updates=_optional(proto, "min_snapshot_updates", min(2, training.minimum)),
        max_abs_value=_optional(proto, "max_abs_value", defaults.max_abs_value),
    )


def _cohort_to_proto(spec: CohortSpec) -> task_pb2.CohortSpec:
    return task_pb2.CohortSpec(
        goal_count=spec.goal_count,
        minimum=spec.minimum,
        over_selection=spec.over_selection,
        selection_timeout=_duration(spec.selection_timeout),
        report_timeout=_duration(spec.report_timeout),
    )


def _time_limit(proto: task_pb2.CohortSpec, key: str, default: timedelta, name: str) -> timedelta:
    if not proto.HasField(key):
        return default
    try:
        limit: timedelta = getattr(proto, key).ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"cannot be read: {error}", field=f"{name}.{key}") from error
    return limit


def _cohort_from_proto(proto: task_pb2.CohortSpec, defaults: CohortSpec, name: str) -> CohortSpec:
    goal_count = _optional(proto, "goal_count", defaults.goal_count)
    return CohortSpec(
        goal_count=goal_count,
        minimum=_optional(proto, "minimum", min(goal_count, max(2, (goal_count + 1) // 2))),
        over_selection=_optional(proto, "over_selection", defaults.over_selection),
        selection_timeout=_time_limit(proto, "selection_timeout", defaults.selection_timeout, name),
        report_timeout=_time_limit(proto, "report_timeout", defaults.report_timeout, name),
    )


def _optional(proto: Any, name: str, default: Any) -> Any:
    return getattr(proto, name) if proto.HasField(name) else default


def _enum(kind: Any, code: int, default: Any, name: str) -> Any:
    if code == 0:
        return default
    try:
        return kind(code)
    except ValueError as error:
        raise ConfigError(f"code {code} is not known to this version; upgrade Fieldfare", field=name) from error


def _lower_is_better(metric: str) -> bool:
    return metric == LOSS or _ERROR_METRICS.search(metric) is not None
