"""`TaskSpec`: every field with its default and its bounds, to and from the wire."""

import math
import re
from dataclasses import dataclass, field
from enum import Enum

from fieldfare.core.encodings import FLOAT32, encoded_bytes
from fieldfare.core.errors import ConfigError, UpdateError
from fieldfare.core.metrics import LOSS, local_metrics_problem
from fieldfare.core.tasks._aggregation import AggregationSpec, Algorithm, AsynchronousSpec
from fieldfare.core.tasks._cohort import CohortSpec
from fieldfare.core.tasks._combinations import check_combinations
from fieldfare.core.tasks._eligibility import EligibilitySpec
from fieldfare.core.tasks._fields import enum_of, need, optional
from fieldfare.core.tasks._local import LocalTrainingSpec
from fieldfare.protos.v1 import encoding_pb2, task_pb2

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ERROR_METRICS = re.compile(
    r"loss|error|mse|mae|mape|msle|divergence|perplexity|entropy|hinge|poisson|huber|cosh|false_", re.IGNORECASE
)


def is_name(text: str) -> bool:
    """Whether a task or population may be called so: 1 to 64 characters of letters, digits, ".", "_" and "-"."""
    return _NAME.fullmatch(text) is not None


class TaskKind(Enum):
    """What a task's rounds are for."""

    TRAINING = task_pb2.TASK_KIND_TRAINING
    EVALUATION = task_pb2.TASK_KIND_EVALUATION


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
    training: CohortSpec = field(default_factory=CohortSpec)
    evaluation: CohortSpec = field(default_factory=CohortSpec)
    evaluate_every: int = 1
    local: LocalTrainingSpec = field(default_factory=LocalTrainingSpec)
    aggregation: AggregationSpec = field(default_factory=AggregationSpec)
    target: TargetSpec | None = None
    encoding: encoding_pb2.Encoding = field(default_factory=lambda: FLOAT32)
    asynchronous: AsynchronousSpec = field(default_factory=AsynchronousSpec)
    kind: TaskKind = TaskKind.TRAINING
    eligibility: EligibilitySpec = field(default_factory=EligibilitySpec)
    draft: bool = False

    def __post_init__(self) -> None:
        for key in ("name", "population"):
            legal = is_name(getattr(self, key))
            need(legal, key, "needs 1 to 64 characters of letters, digits, '.', '_' and '-'")
        need(1 <= self.rounds <= 10**6, "rounds", "must be 1 to 1000000")
        need(0 <= self.evaluate_every <= self.rounds, "evaluate_every", "must be 0 (never) to rounds")
        self.training.check("training")
        self.evaluation.check("evaluation")
        self.local.check("local")
        self.aggregation.check("aggregation", self.training)
        self.asynchronous.check("asynchronous")
        self.eligibility.check("eligibility")
        check_combinations(self.aggregation, self.local, self.asynchronous)
        if self.target is not None:
            need(bool(self.target.metric), "target.metric", "names one of the plan's metrics, or loss")
            need(math.isfinite(self.target.value), "target.value", "must be a finite number")
            evaluated = self.evaluate_every > 0 or self.kind is TaskKind.EVALUATION
            need(evaluated, "evaluate_every", "must be at least 1 where there is a target")
        try:
            encoded_bytes(self.encoding, 1)
        except UpdateError as error:
            raise ConfigError(str(error), field="encoding") from error

    def check_against_plan(self, metric_names: tuple[str, ...], *, has_gradients: bool, batch_size: int) -> None:
        """Check what only the plan can tell.

        Raises:
            ConfigError: a target metric that the plan does not report; an algorithm that needs the signature
                `gradients`, with a plan that does not have it; a batch larger than the plan's; local metrics of a plan
                whose metrics are too many, or their names too long, to be reported twice.
        """
        if self.local.batch_size > batch_size:
            raise ConfigError(f"must be at most the plan's batch size, {batch_size}", field="local.batch_size")
        if self.local.local_metrics and (problem := local_metrics_problem(metric_names)):
            raise ConfigError(problem, field="local.local_metrics")
        if self.target is not None and self.target.metric not in metric_names:
            raise ConfigError(f"the plan reports {', '.join(metric_names)} only", field="target.metric")
        trains = self.kind is TaskKind.TRAINING
        if trains and self.aggregation.algorithm.needs_gradients and not has_gradients:
            name = self.aggregation.algorithm.name
            message = f"{name} needs a plan with the signature gradients: export it with --gradients"
            raise ConfigError(message, field="aggregation.algorithm")

    def to_proto(self) -> task_pb2.TaskSpec:
        """The wire form with every default written out."""
        proto = task_pb2.TaskSpec(
            name=self.name,
            population=self.population,
            rounds=self.rounds,
            training=self.training.to_proto(),
            evaluation=self.evaluation.to_proto(),
            evaluate_every=self.evaluate_every,
            local=self.local.to_proto(),
            aggregation=self.aggregation.to_proto(),
            encoding=self.encoding,
            kind=self.kind.value,
            eligibility=self.eligibility.to_proto(),
            draft=self.draft,
        )
        if self.aggregation.algorithm is Algorithm.FEDBUFF:
            proto.asynchronous.CopyFrom(self.asynchronous.to_proto())
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
        training = CohortSpec.from_proto(proto.training, CohortSpec(), "training")
        # Before other defaults are computed from it: not every over-selection has a number of devices.
        training.check("training")
        evaluation = CohortSpec.from_proto(proto.evaluation, training, "evaluation")
        target = None
        if proto.HasField("target"):
            lower = optional(proto.target, "lower_is_better", lower_is_better(proto.target.metric))
            target = TargetSpec(proto.target.metric, proto.target.value, lower)
        aggregation = AggregationSpec.from_proto(proto.aggregation, training)
        buffered = aggregation.algorithm is Algorithm.FEDBUFF
        concurrency = training.asked if buffered else AsynchronousSpec().concurrency
        return cls(
            name=proto.name,
            population=proto.population,
            rounds=optional(proto, "rounds", 10),
            training=training,
            evaluation=evaluation,
            evaluate_every=optional(proto, "evaluate_every", 1),
            local=LocalTrainingSpec.from_proto(proto.local),
            aggregation=aggregation,
            target=target,
            encoding=proto.encoding if proto.encoding.stages else FLOAT32,
            asynchronous=AsynchronousSpec.from_proto(proto.asynchronous, concurrency),
            kind=enum_of(TaskKind, proto.kind, TaskKind.TRAINING, "kind"),
            eligibility=EligibilitySpec.from_proto(proto.eligibility),
            draft=proto.draft,
        )


def lower_is_better(metric: str) -> bool:
    """Whether a metric of this name gets better by falling: the loss does, and errors do; unknown ones do not."""
    return metric == LOSS or _ERROR_METRICS.search(metric) is not None
