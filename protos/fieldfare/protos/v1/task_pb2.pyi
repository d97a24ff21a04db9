from fieldfare.protos.v1 import encoding_pb2 as _encoding_pb2
from fieldfare.protos.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_KIND_UNSPECIFIED: _ClassVar[TaskKind]
    TASK_KIND_TRAINING: _ClassVar[TaskKind]
    TASK_KIND_EVALUATION: _ClassVar[TaskKind]

class Interruption(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTERRUPTION_UNSPECIFIED: _ClassVar[Interruption]
    INTERRUPTION_DROP: _ClassVar[Interruption]
    INTERRUPTION_RESUME: _ClassVar[Interruption]

class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALGORITHM_UNSPECIFIED: _ClassVar[Algorithm]
    ALGORITHM_FEDAVG: _ClassVar[Algorithm]
    ALGORITHM_DSGD: _ClassVar[Algorithm]
    ALGORITHM_FEDAVGM: _ClassVar[Algorithm]
    ALGORITHM_FEDADAGRAD: _ClassVar[Algorithm]
    ALGORITHM_FEDADAM: _ClassVar[Algorithm]
    ALGORITHM_FEDYOGI: _ClassVar[Algorithm]
    ALGORITHM_FEDPROX: _ClassVar[Algorithm]
    ALGORITHM_SCAFFOLD: _ClassVar[Algorithm]
    ALGORITHM_FEDBUFF: _ClassVar[Algorithm]

class Weighting(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHTING_UNSPECIFIED: _ClassVar[Weighting]
    WEIGHTING_EXAMPLES: _ClassVar[Weighting]
    WEIGHTING_UNIFORM: _ClassVar[Weighting]

class Combiner(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMBINER_UNSPECIFIED: _ClassVar[Combiner]
    COMBINER_MEAN: _ClassVar[Combiner]
    COMBINER_MEDIAN: _ClassVar[Combiner]
    COMBINER_TRIMMED_MEAN: _ClassVar[Combiner]
    COMBINER_KRUM: _ClassVar[Combiner]
    COMBINER_MULTI_KRUM: _ClassVar[Combiner]

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_DRAFT: _ClassVar[TaskState]
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    TASK_STATE_PAUSED: _ClassVar[TaskState]
    TASK_STATE_COMPLETED: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]
    TASK_STATE_CANCELLED: _ClassVar[TaskState]

class TaskAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_ACTION_UNSPECIFIED: _ClassVar[TaskAction]
    TASK_ACTION_PAUSE: _ClassVar[TaskAction]
    TASK_ACTION_RESUME: _ClassVar[TaskAction]
    TASK_ACTION_CANCEL: _ClassVar[TaskAction]
    TASK_ACTION_START: _ClassVar[TaskAction]

class RoundState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUND_STATE_UNSPECIFIED: _ClassVar[RoundState]
    ROUND_STATE_SELECTING: _ClassVar[RoundState]
    ROUND_STATE_COLLECTING: _ClassVar[RoundState]
    ROUND_STATE_COMMITTED: _ClassVar[RoundState]
    ROUND_STATE_ABANDONED: _ClassVar[RoundState]

class RoundKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUND_KIND_UNSPECIFIED: _ClassVar[RoundKind]
    ROUND_KIND_TRAINING: _ClassVar[RoundKind]
    ROUND_KIND_EVALUATION: _ClassVar[RoundKind]
TASK_KIND_UNSPECIFIED: TaskKind
TASK_KIND_TRAINING: TaskKind
TASK_KIND_EVALUATION: TaskKind
INTERRUPTION_UNSPECIFIED: Interruption
INTERRUPTION_DROP: Interruption
INTERRUPTION_RESUME: Interruption
ALGORITHM_UNSPECIFIED: Algorithm
ALGORITHM_FEDAVG: Algorithm
ALGORITHM_DSGD: Algorithm
ALGORITHM_FEDAVGM: Algorithm
ALGORITHM_FEDADAGRAD: Algorithm
ALGORITHM_FEDADAM: Algorithm
ALGORITHM_FEDYOGI: Algorithm
ALGORITHM_FEDPROX: Algorithm
ALGORITHM_SCAFFOLD: Algorithm
ALGORITHM_FEDBUFF: Algorithm
WEIGHTING_UNSPECIFIED: Weighting
WEIGHTING_EXAMPLES: Weighting
WEIGHTING_UNIFORM: Weighting
COMBINER_UNSPECIFIED: Combiner
COMBINER_MEAN: Combiner
COMBINER_MEDIAN: Combiner
COMBINER_TRIMMED_MEAN: Combiner
COMBINER_KRUM: Combiner
COMBINER_MULTI_KRUM: Combiner
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_DRAFT: TaskState
TASK_STATE_RUNNING: TaskState
TASK_STATE_PAUSED: TaskState
TASK_STATE_COMPLETED: TaskState
TASK_STATE_FAILED: TaskState
TASK_STATE_CANCELLED: TaskState
TASK_ACTION_UNSPECIFIED: TaskAction
TASK_ACTION_PAUSE: TaskAction
TASK_ACTION_RESUME: TaskAction
TASK_ACTION_CANCEL: TaskAction
TASK_ACTION_START: TaskAction
ROUND_STATE_UNSPECIFIED: RoundState
ROUND_STATE_SELECTING: RoundState
ROUND_STATE_COLLECTING: RoundState
ROUND_STATE_COMMITTED: RoundState
ROUND_STATE_ABANDONED: RoundState
ROUND_KIND_UNSPECIFIED: RoundKind
ROUND_KIND_TRAINING: RoundKind
ROUND_KIND_EVALUATION: RoundKind

class TaskSpec(_message.Message):
    __slots__ = ("name", "population", "rounds", "training", "evaluation", "evaluate_every", "local", "aggregation", "target", "encoding", "kind", "eligibility", "asynchronous", "draft")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ELIGIBILITY_FIELD_NUMBER: _ClassVar[int]
    ASYNCHRONOUS_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    population: str
    rounds: int
    training: CohortSpec
    evaluation: CohortSpec
    evaluate_every: int
    local: LocalTrainingSpec
    aggregation: AggregationSpec
    target: TargetSpec
    encoding: _encoding_pb2.Encoding
    kind: TaskKind
    eligibility: EligibilitySpec
    asynchronous: AsynchronousSpec
    draft: bool
    def __init__(self, name: _Optional[str] = ..., population: _Optional[str] = ..., rounds: _Optional[int] = ..., training: _Optional[_Union[CohortSpec, _Mapping]] = ..., evaluation: _Optional[_Union[CohortSpec, _Mapping]] = ..., evaluate_every: _Optional[int] = ..., local: _Optional[_Union[LocalTrainingSpec, _Mapping]] = ..., aggregation: _Optional[_Union[AggregationSpec, _Mapping]] = ..., target: _Optional[_Union[TargetSpec, _Mapping]] = ..., encoding: _Optional[_Union[_encoding_pb2.Encoding, _Mapping]] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., eligibility: _Optional[_Union[EligibilitySpec, _Mapping]] = ..., asynchronous: _Optional[_Union[AsynchronousSpec, _Mapping]] = ..., draft: bool = ...) -> None: ...

class EligibilitySpec(_message.Message):
    __slots__ = ("min_memory_bytes", "min_sdk", "min_separation")
    MIN_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_SDK_FIELD_NUMBER: _ClassVar[int]
    MIN_SEPARATION_FIELD_NUMBER: _ClassVar[int]
    min_memory_bytes: int
    min_sdk: str
    min_separation: _duration_pb2.Duration
    def __init__(self, min_memory_bytes: _Optional[int] = ..., min_sdk: _Optional[str] = ..., min_separation: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AsynchronousSpec(_message.Message):
    __slots__ = ("concurrency", "max_staleness", "staleness_exponent")
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_STALENESS_FIELD_NUMBER: _ClassVar[int]
    STALENESS_EXPONENT_FIELD_NUMBER: _ClassVar[int]
    concurrency: int
    max_staleness: int
    staleness_exponent: float
    def __init__(self, concurrency: _Optional[int] = ..., max_staleness: _Optional[int] = ..., staleness_exponent: _Optional[float] = ...) -> None: ...

class CohortSpec(_message.Message):
    __slots__ = ("goal_count", "minimum", "over_selection", "selection_timeout", "report_timeout")
    GOAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    OVER_SELECTION_FIELD_NUMBER: _ClassVar[int]
    SELECTION_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REPORT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    goal_count: int
    minimum: int
    over_selection: float
    selection_timeout: _duration_pb2.Duration
    report_timeout: _duration_pb2.Duration
    def __init__(self, goal_count: _Optional[int] = ..., minimum: _Optional[int] = ..., over_selection: _Optional[float] = ..., selection_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., report_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LocalTrainingSpec(_message.Message):
    __slots__ = ("epochs", "max_steps", "learning_rate", "min_examples", "max_examples", "min_evaluation_examples", "proximal_mu", "batch_size", "shuffle", "max_seconds", "local_metrics", "interruption")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    MIN_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    MAX_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    MIN_EVALUATION_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    PROXIMAL_MU_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_FIELD_NUMBER: _ClassVar[int]
    MAX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_METRICS_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTION_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    max_steps: int
    learning_rate: float
    min_examples: int
    max_examples: int
    min_evaluation_examples: int
    proximal_mu: float
    batch_size: int
    shuffle: bool
    max_seconds: int
    local_metrics: bool
    interruption: Interruption
    def __init__(self, epochs: _Optional[int] = ..., max_steps: _Optional[int] = ..., learning_rate: _Optional[float] = ..., min_examples: _Optional[int] = ..., max_examples: _Optional[int] = ..., min_evaluation_examples: _Optional[int] = ..., proximal_mu: _Optional[float] = ..., batch_size: _Optional[int] = ..., shuffle: bool = ..., max_seconds: _Optional[int] = ..., local_metrics: bool = ..., interruption: _Optional[_Union[Interruption, str]] = ...) -> None: ...

class AggregationSpec(_message.Message):
    __slots__ = ("algorithm", "weighting", "server_learning_rate", "min_snapshot_updates", "max_abs_value", "combiner", "trim", "byzantine", "krum_selected", "max_norm", "clip_norm", "beta1", "beta2", "adaptivity")
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    WEIGHTING_FIELD_NUMBER: _ClassVar[int]
    SERVER_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    MIN_SNAPSHOT_UPDATES_FIELD_NUMBER: _ClassVar[int]
    MAX_ABS_VALUE_FIELD_NUMBER: _ClassVar[int]
    COMBINER_FIELD_NUMBER: _ClassVar[int]
    TRIM_FIELD_NUMBER: _ClassVar[int]
    BYZANTINE_FIELD_NUMBER: _ClassVar[int]
    KRUM_SELECTED_FIELD_NUMBER: _ClassVar[int]
    MAX_NORM_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    BETA1_FIELD_NUMBER: _ClassVar[int]
    BETA2_FIELD_NUMBER: _ClassVar[int]
    ADAPTIVITY_FIELD_NUMBER: _ClassVar[int]
    algorithm: Algorithm
    weighting: Weighting
    server_learning_rate: float
    min_snapshot_updates: int
    max_abs_value: float
    combiner: Combiner
    trim: float
    byzantine: int
    krum_selected: int
    max_norm: float
    clip_norm: float
    beta1: float
    beta2: float
    adaptivity: float
    def __init__(self, algorithm: _Optional[_Union[Algorithm, str]] = ..., weighting: _Optional[_Union[Weighting, str]] = ..., server_learning_rate: _Optional[float] = ..., min_snapshot_updates: _Optional[int] = ..., max_abs_value: _Optional[float] = ..., combiner: _Optional[_Union[Combiner, str]] = ..., trim: _Optional[float] = ..., byzantine: _Optional[int] = ..., krum_selected: _Optional[int] = ..., max_norm: _Optional[float] = ..., clip_norm: _Optional[float] = ..., beta1: _Optional[float] = ..., beta2: _Optional[float] = ..., adaptivity: _Optional[float] = ...) -> None: ...

class TargetSpec(_message.Message):
    __slots__ = ("metric", "value", "lower_is_better")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOWER_IS_BETTER_FIELD_NUMBER: _ClassVar[int]
    metric: str
    value: float
    lower_is_better: bool
    def __init__(self, metric: _Optional[str] = ..., value: _Optional[float] = ..., lower_is_better: bool = ...) -> None: ...

class TaskStatus(_message.Message):
    __slots__ = ("task_id", "spec", "state", "reason", "plan", "checkpoint_version", "checkpoint", "rounds_committed", "created_at", "ended_at", "rounds")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    spec: TaskSpec
    state: TaskState
    reason: str
    plan: _tensors_pb2.ArtifactRef
    checkpoint_version: int
    checkpoint: _tensors_pb2.ArtifactRef
    rounds_committed: int
    created_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    rounds: _containers.RepeatedCompositeFieldContainer[RoundStatus]
    def __init__(self, task_id: _Optional[str] = ..., spec: _Optional[_Union[TaskSpec, _Mapping]] = ..., state: _Optional[_Union[TaskState, str]] = ..., reason: _Optional[str] = ..., plan: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., checkpoint_version: _Optional[int] = ..., checkpoint: _Optional[_Union[_tensors_pb2.ArtifactRef, _Mapping]] = ..., rounds_committed: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rounds: _Optional[_Iterable[_Union[RoundStatus, _Mapping]]] = ...) -> None: ...

class RoundStatus(_message.Message):
    __slots__ = ("number", "kind", "state", "checkpoint_version", "assigned", "reported", "withdrawn", "refused", "metrics", "examples", "bytes_up", "bytes_down", "started_at", "ended_at", "reason", "refusals", "late", "duplicates")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    BYTES_DOWN_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: RoundKind
    state: RoundState
    checkpoint_version: int
    assigned: int
    reported: int
    withdrawn: int
    refused: int
    metrics: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.MetricSum]
    examples: int
    bytes_up: int
    bytes_down: int
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    reason: str
    refusals: _containers.RepeatedCompositeFieldContainer[RefusalCount]
    late: int
    duplicates: int
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[_Union[RoundKind, str]] = ..., state: _Optional[_Union[RoundState, str]] = ..., checkpoint_version: _Optional[int] = ..., assigned: _Optional[int] = ..., reported: _Optional[int] = ..., withdrawn: _Optional[int] = ..., refused: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[_tensors_pb2.MetricSum, _Mapping]]] = ..., examples: _Optional[int] = ..., bytes_up: _Optional[int] = ..., bytes_down: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., refusals: _Optional[_Iterable[_Union[RefusalCount, _Mapping]]] = ..., late: _Optional[int] = ..., duplicates: _Optional[int] = ...) -> None: ...

class RefusalCount(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    count: int
    def __init__(self, reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
