"""`AggregationSpec` and `AsynchronousSpec`: how reports become the next checkpoint."""

import math
from dataclasses import dataclass
from enum import Enum

from fieldfare.core.tasks._cohort import MAX_COHORT, CohortSpec
from fieldfare.core.tasks._fields import enum_of, need, optional
from fieldfare.protos.v1 import task_pb2

_SMALLEST_MAX_ABS_VALUE = 2.0**-20
_LARGEST_NORM = 1e30
_PLAIN = ("server_learning_rate", "max_abs_value", "trim", "max_norm", "clip_norm", "beta1", "beta2", "adaptivity")


class Algorithm(Enum):
    """How the global weights are made from the reports."""

    FEDAVG = task_pb2.ALGORITHM_FEDAVG
    DSGD = task_pb2.ALGORITHM_DSGD
    FEDAVGM = task_pb2.ALGORITHM_FEDAVGM
    FEDADAGRAD = task_pb2.ALGORITHM_FEDADAGRAD
    FEDADAM = task_pb2.ALGORITHM_FEDADAM
    FEDYOGI = task_pb2.ALGORITHM_FEDYOGI
    FEDPROX = task_pb2.ALGORITHM_FEDPROX
    SCAFFOLD = task_pb2.ALGORITHM_SCAFFOLD
    FEDBUFF = task_pb2.ALGORITHM_FEDBUFF

    @property
    def needs_gradients(self) -> bool:
        """Whether the device runs the plan's signature `gradients` instead of `train`."""
        return self in {Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD}

    @property
    def on_device(self) -> "Algorithm":
        """What a device is told to do: for what differs from FEDAVG on the server alone, FEDAVG."""
        return self if self in DEVICE_ALGORITHMS else Algorithm.FEDAVG

    @property
    def vectors(self) -> int:
        """How many vectors, each as long as the weights, a device reports one after the other."""
        return 2 if self is Algorithm.SCAFFOLD else 1


DEVICE_ALGORITHMS = (Algorithm.FEDAVG, Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD)
"""Those with a device side of their own; a device offers them at check-in."""


class Weighting(Enum):
    """What a device's update counts for."""

    EXAMPLES = task_pb2.WEIGHTING_EXAMPLES
    UNIFORM = task_pb2.WEIGHTING_UNIFORM


class Combiner(Enum):
    """How the updates of a round become one."""

    MEAN = task_pb2.COMBINER_MEAN
    MEDIAN = task_pb2.COMBINER_MEDIAN
    TRIMMED_MEAN = task_pb2.COMBINER_TRIMMED_MEAN
    KRUM = task_pb2.COMBINER_KRUM
    MULTI_KRUM = task_pb2.COMBINER_MULTI_KRUM


@dataclass(frozen=True, slots=True)
class AggregationSpec:
    """How reports become the next checkpoint; `docs/algorithms.md` has the equations.

    Attributes:
        server_learning_rate: factor of the mean update.
        min_snapshot_updates: nothing is written before so many devices are in a snapshot.
        max_abs_value: an update with a value beyond this magnitude is refused.
        combiner: every one but MEAN holds the single updates until the commit.
        trim: TRIMMED_MEAN: share of the updates that is cut off at each end.
        byzantine: KRUM, MULTI_KRUM: devices that may be hostile.
        krum_selected: MULTI_KRUM: updates that are averaged.
        max_norm: an update with a larger Euclidean norm is refused; 0 for no bound.
        clip_norm: an update with a larger Euclidean norm is scaled down to it; 0 for no clipping.
        beta1: FEDAVGM: momentum; FEDADAM, FEDYOGI: decay of the first moment.
        beta2: FEDADAM, FEDYOGI: decay of the second moment.
        adaptivity: FEDADAGRAD, FEDADAM, FEDYOGI: called tau in Reddi et al. 2021.
    """

    algorithm: Algorithm = Algorithm.FEDAVG
    weighting: Weighting = Weighting.EXAMPLES
    server_learning_rate: float = 1.0
    min_snapshot_updates: int = 2
    max_abs_value: float = 256.0
    combiner: Combiner = Combiner.MEAN
    trim: float = 0.1
    byzantine: int = 0
    krum_selected: int = 5
    max_norm: float = 0.0
    clip_norm: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.99
    adaptivity: float = 1e-3

    @property
    def holds_updates(self) -> bool:
        """Whether the single updates are needed until the commit."""
        return self.combiner is not Combiner.MEAN

    def check(self, name: str, training: CohortSpec) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        rate = self.server_learning_rate
        need(math.isfinite(rate) and 0 < rate <= 1e6, f"{name}.server_learning_rate", "must be positive")  # noqa: PLR2004
        within = 1 <= self.min_snapshot_updates <= training.minimum
        need(within, f"{name}.min_snapshot_updates", f"must be 1 to training.minimum ({training.minimum})")
        within = _SMALLEST_MAX_ABS_VALUE <= self.max_abs_value <= 2**20
        need(within, f"{name}.max_abs_value", "must be 2**-20 (0.00000095) to 1048576")
        for key in ("max_norm", "clip_norm"):
            bound = getattr(self, key)
            need(bound == 0 or 1e-30 <= bound <= _LARGEST_NORM, f"{name}.{key}", "must be 0 (none) or 1e-30 to 1e30")  # noqa: PLR2004
        useful = not 0 < self.max_norm <= self.clip_norm
        need(useful, f"{name}.clip_norm", "must be below max_norm, which refuses larger updates already")
        need(0 <= self.beta1 < 1, f"{name}.beta1", "must be 0 to below 1")
        need(0 <= self.beta2 < 1, f"{name}.beta2", "must be 0 to below 1")
        need(1e-12 <= self.adaptivity <= 1e6, f"{name}.adaptivity", "must be 1e-12 to 1000000")  # noqa: PLR2004
        self._check_combiner(name, training.minimum)

    def _check_combiner(self, name: str, minimum: int) -> None:
        need(0 <= self.trim < 0.5, f"{name}.trim", "must be 0 to below 0.5")  # noqa: PLR2004
        need(0 <= self.byzantine <= MAX_COHORT, f"{name}.byzantine", f"must be 0 to {MAX_COHORT}")
        if self.combiner in {Combiner.KRUM, Combiner.MULTI_KRUM}:
            enough = 2 * self.byzantine + 2 < minimum
            words = f"needs training.minimum above 2 * byzantine + 2 ({2 * self.byzantine + 2}), which is {minimum}"
            need(enough, f"{name}.byzantine", words)
        if self.combiner is Combiner.MULTI_KRUM:
            most = minimum - self.byzantine
            need(1 <= self.krum_selected <= most, f"{name}.krum_selected", f"must be 1 to {most}: minimum - byzantine")

    def to_proto(self) -> task_pb2.AggregationSpec:
        """The wire form with every default written out."""
        return task_pb2.AggregationSpec(
            algorithm=self.algorithm.value,
            weighting=self.weighting.value,
            server_learning_rate=self.server_learning_rate,
            min_snapshot_updates=self.min_snapshot_updates,
            max_abs_value=self.max_abs_value,
            combiner=self.combiner.value,
            trim=self.trim,
            byzantine=self.byzantine,
            krum_selected=self.krum_selected,
            max_norm=self.max_norm,
            clip_norm=self.clip_norm,
            beta1=self.beta1,
            beta2=self.beta2,
            adaptivity=self.adaptivity,
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.AggregationSpec, training: CohortSpec) -> "AggregationSpec":
        """Read the wire form; absent fields take their defaults, some of which follow the cohort or the algorithm.

        Raises:
            ConfigError: a code from a newer version. Does not check bounds.
        """
        defaults = cls()
        algorithm = enum_of(Algorithm, proto.algorithm, defaults.algorithm, "aggregation.algorithm")
        combiner = enum_of(Combiner, proto.combiner, defaults.combiner, "aggregation.combiner")
        weighting = Weighting.UNIFORM if algorithm is Algorithm.SCAFFOLD else defaults.weighting
        byzantine = optional(proto, "byzantine", defaults.byzantine)
        follows = training.minimum - byzantine if combiner is Combiner.MULTI_KRUM else defaults.krum_selected
        return cls(
            algorithm=algorithm,
            weighting=enum_of(Weighting, proto.weighting, weighting, "aggregation.weighting"),
            min_snapshot_updates=optional(proto, "min_snapshot_updates", min(2, training.minimum)),
            combiner=combiner,
            byzantine=byzantine,
            krum_selected=optional(proto, "krum_selected", follows),
            **{key: optional(proto, key, getattr(defaults, key)) for key in _PLAIN},
        )


@dataclass(frozen=True, slots=True)
class AsynchronousSpec:
    """Buffered-asynchronous aggregation, FEDBUFF (Nguyen et al. 2022).

    Attributes:
        concurrency: devices at work at the same time.
        max_staleness: a report that began with a checkpoint more than so many versions old is refused as late.
        staleness_exponent: a report of staleness t weighs `(1 + t) ** -staleness_exponent`; 0 ignores staleness.
    """

    concurrency: int = 13
    max_staleness: int = 10
    staleness_exponent: float = 0.5

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        need(1 <= self.concurrency <= 10 * MAX_COHORT, f"{name}.concurrency", f"must be 1 to {10 * MAX_COHORT}")
        need(0 <= self.max_staleness <= 1000, f"{name}.max_staleness", "must be 0 to 1000")  # noqa: PLR2004
        need(0 <= self.staleness_exponent <= 10, f"{name}.staleness_exponent", "must be 0 to 10")  # noqa: PLR2004

    def to_proto(self) -> task_pb2.AsynchronousSpec:
        """The wire form with every default written out."""
        return task_pb2.AsynchronousSpec(
            concurrency=self.concurrency,
            max_staleness=self.max_staleness,
            staleness_exponent=self.staleness_exponent,
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.AsynchronousSpec, concurrency: int) -> "AsynchronousSpec":
        """Read the wire form; `concurrency` is taken where it gives none. Does not check bounds."""
        return cls(
            concurrency=optional(proto, "concurrency", concurrency),
            max_staleness=optional(proto, "max_staleness", 10),
            staleness_exponent=optional(proto, "staleness_exponent", 0.5),
        )
