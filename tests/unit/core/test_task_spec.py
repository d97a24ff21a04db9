import math
import tomllib
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    AsynchronousSpec,
    CohortSpec,
    Combiner,
    EligibilitySpec,
    Interruption,
    LocalTrainingSpec,
    TargetSpec,
    TaskKind,
    TaskSpec,
    Weighting,
    task_spec_from_mapping,
)
from fieldfare.protos.v1 import encoding_pb2, task_pb2

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def refused(field: str, words: str, call) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        call()
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_absent_fields_take_the_defaults_that_the_proto_names():
    spec = TaskSpec.from_proto(task_pb2.TaskSpec(name="n", population="p"))
    assert spec == TaskSpec("n", "p")
    assert spec.rounds == 10
    assert spec.evaluate_every == 1
    assert spec.training == spec.evaluation == CohortSpec(10, 5, 1.3, 10 * MINUTE, 10 * MINUTE)
    assert spec.local == LocalTrainingSpec(1, 0, None, 1, 100_000)
    assert spec.local == LocalTrainingSpec(shuffle=True, local_metrics=False, interruption=Interruption.DROP)
    assert spec.aggregation == AggregationSpec(Algorithm.FEDAVG, Weighting.EXAMPLES, 1.0, 2, 256.0)
    assert spec.target is None
    assert spec.encoding == FLOAT32


def test_kind_draft_and_eligibility_travel():
    spec = TaskSpec(
        "n",
        "p",
        kind=TaskKind.EVALUATION,
        draft=True,
        eligibility=EligibilitySpec(2**32, "0.2.0", DAY),
        evaluate_every=0,
        target=TargetSpec("accuracy", 0.9, lower_is_better=False),
    )
    assert TaskSpec.from_proto(task_pb2.TaskSpec.FromString(spec.to_proto().SerializeToString())) == spec
    mapping = tomllib.loads('name="n"\npopulation="p"\nkind="evaluation"\n[eligibility]\nmin_separation="60s"')
    assert task_spec_from_mapping(mapping).kind is TaskKind.EVALUATION
    assert task_spec_from_mapping(mapping).eligibility.min_separation == MINUTE
    # An evaluation runs no training, so a plan without gradients will do.
    replace(spec, aggregation=AggregationSpec(Algorithm.DSGD)).check_against_plan(
        ("accuracy",), has_gradients=False, batch_size=4
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("min_memory_bytes", -1, "must be 0"),
        ("min_memory_bytes", 2**63, "must be 0"),
        ("min_sdk", "new", "must be a version"),
        ("min_sdk", "1.2rc1", "must be a version"),
        ("min_separation", -MINUTE, "must be 0 or a positive"),
        ("min_separation", 366 * DAY, "must be 0 or a positive"),
    ],
)
def test_eligibility_out_of_its_bounds(field, value, words):
    refused(f"eligibility.{field}", words, lambda: TaskSpec("n", "p", eligibility=EligibilitySpec(**{field: value})))


def test_a_separation_that_does_not_fit_is_refused():
    proto = task_pb2.TaskSpec(name="n", population="p")
    proto.eligibility.min_separation.seconds = 2**62
    refused("eligibility.min_separation", "is not a duration", lambda: TaskSpec.from_proto(proto))


def test_evaluation_follows_training_and_minimum_follows_the_goal():
    proto = task_pb2.TaskSpec(name="n", population="p")
    proto.training.goal_count = 7
    proto.training.over_selection = 2.0
    proto.training.report_timeout.seconds = 30
    proto.training.selection_timeout.nanos = 500_000
    proto.evaluation.selection_timeout.seconds = 3
    spec = TaskSpec.from_proto(proto)
    half_a_millisecond = timedelta(microseconds=500)
    assert spec.training == CohortSpec(7, 4, 2.0, half_a_millisecond, 30 * timedelta(seconds=1))
    assert spec.evaluation == CohortSpec(7, 4, 2.0, timedelta(seconds=3), 30 * timedelta(seconds=1))


@pytest.mark.parametrize(("minimum", "expected"), [(1, 1), (2, 2), (3, 2)])
def test_the_snapshot_minimum_never_exceeds_the_training_minimum(minimum, expected):
    proto = task_pb2.TaskSpec(name="n", population="p", training=task_pb2.CohortSpec(minimum=minimum))
    assert TaskSpec.from_proto(proto).aggregation.min_snapshot_updates == expected


@pytest.mark.parametrize(
    ("goal", "factor", "asked"), [(10, 1.3, 13), (3, 1.3, 4), (1, 1.0, 1), (100_000, 1.1, 110_000), (7, 1.0, 7)]
)
def test_devices_asked(goal, factor, asked):
    assert CohortSpec(goal_count=goal, minimum=1, over_selection=factor).asked == asked


def cohort(**changes) -> TaskSpec:
    return TaskSpec("n", "p", training=CohortSpec(**changes))


def local(**changes) -> TaskSpec:
    return TaskSpec("n", "p", local=LocalTrainingSpec(**changes))


def gradients(**changes) -> TaskSpec:
    return TaskSpec("n", "p", local=LocalTrainingSpec(**changes), aggregation=AggregationSpec(Algorithm.DSGD))


def aggregation(**changes) -> TaskSpec:
    return TaskSpec("n", "p", aggregation=AggregationSpec(**changes))


def krum(**changes) -> TaskSpec:
    return aggregation(**{"combiner": Combiner.KRUM, "min_snapshot_updates": 1, **changes})


def scaffold(**changes) -> TaskSpec:
    return aggregation(algorithm=Algorithm.SCAFFOLD, weighting=Weighting.UNIFORM, **changes)


def buffered(**changes) -> TaskSpec:
    fedbuff = AggregationSpec(Algorithm.FEDBUFF)
    return TaskSpec("n", "p", aggregation=fedbuff, asynchronous=AsynchronousSpec(**changes))


def target(metric: str = "loss", value: float = 1.0, **changes) -> TaskSpec:
    return TaskSpec("n", "p", target=TargetSpec(metric, value, lower_is_better=True), **changes)


@pytest.mark.parametrize(
    ("field", "words", "call"),
    [
        ("name", "1 to 64 characters of letters", lambda: TaskSpec("", "p")),
        ("name", "1 to 64 characters", lambda: TaskSpec("x" * 65, "p")),
        ("name", "letters, digits", lambda: TaskSpec("a/b", "p")),
        ("name", "letters, digits", lambda: TaskSpec("a\n", "p")),
        ("population", "letters, digits", lambda: TaskSpec("n", "é")),
        ("rounds", "1 to 1000000", lambda: TaskSpec("n", "p", rounds=0)),
        ("rounds", "1 to 1000000", lambda: TaskSpec("n", "p", rounds=1_000_001)),
        ("evaluate_every", r"0 \(never\) to rounds", lambda: TaskSpec("n", "p", rounds=3, evaluate_every=4)),
        ("training.goal_count", "1 to 100000", lambda: cohort(goal_count=0)),
        ("training.goal_count", "1 to 100000", lambda: cohort(goal_count=100_001)),
        ("training.minimum", "1 to goal_count", lambda: cohort(minimum=0)),
        ("training.minimum", "1 to goal_count", lambda: cohort(minimum=11)),
        ("training.over_selection", "1 to 10", lambda: cohort(over_selection=0.99)),
        ("training.over_selection", "1 to 10", lambda: cohort(over_selection=10.01)),
        ("training.over_selection", "1 to 10", lambda: cohort(over_selection=math.nan)),
        ("training.selection_timeout", "at most 7 days", lambda: cohort(selection_timeout=timedelta(0))),
        ("training.report_timeout", "at most 7 days", lambda: cohort(report_timeout=7 * DAY + timedelta.resolution)),
        ("evaluation.minimum", "1 to goal_count", lambda: TaskSpec("n", "p", evaluation=CohortSpec(minimum=0))),
        ("local.epochs", "1 to 1000", lambda: local(epochs=0)),
        ("local.epochs", "1 to 1000", lambda: local(epochs=1001)),
        ("local.max_steps", "no limit", lambda: local(max_steps=-1)),
        ("local.max_steps", "1000000", lambda: local(max_steps=1_000_001)),
        ("local.learning_rate", "positive", lambda: local(learning_rate=0.0)),
        ("local.learning_rate", "positive", lambda: local(learning_rate=math.inf)),
        ("local.learning_rate", "positive", lambda: local(learning_rate=math.nan)),
        ("local.max_examples", "1 to 10000000", lambda: local(max_examples=0)),
        ("local.max_examples", "1 to 10000000", lambda: local(max_examples=10_000_001)),
        ("local.min_evaluation_examples", "1 to 10000000", lambda: local(min_evaluation_examples=0)),
        ("local.min_evaluation_examples", "1 to 10000000", lambda: local(min_evaluation_examples=10_000_001)),
        ("local.min_examples", "1 to max_examples", lambda: local(min_examples=0)),
        ("local.min_examples", "1 to max_examples", lambda: local(min_examples=3, max_examples=2)),
        ("aggregation.server_learning_rate", "positive", lambda: aggregation(server_learning_rate=0.0)),
        ("aggregation.server_learning_rate", "positive", lambda: aggregation(server_learning_rate=1.1e6)),
        ("aggregation.server_learning_rate", "positive", lambda: aggregation(server_learning_rate=math.nan)),
        ("aggregation.min_snapshot_updates", r"training.minimum \(5\)", lambda: aggregation(min_snapshot_updates=6)),
        ("aggregation.min_snapshot_updates", "must be 1", lambda: aggregation(min_snapshot_updates=0)),
        ("aggregation.max_abs_value", "to 1048576", lambda: aggregation(max_abs_value=0.0)),
        ("aggregation.max_abs_value", "to 1048576", lambda: aggregation(max_abs_value=5e-324)),
        ("aggregation.max_abs_value", "to 1048576", lambda: aggregation(max_abs_value=2.0**20 + 1)),
        ("aggregation.max_abs_value", "to 1048576", lambda: aggregation(max_abs_value=math.nan)),
        ("local.proximal_mu", "0 to 1000000", lambda: local(proximal_mu=-0.1)),
        ("local.proximal_mu", "FEDPROX only", lambda: local(proximal_mu=0.1)),
        ("local.batch_size", r"0 \(the plan's own\) to 65536", lambda: local(batch_size=65_537)),
        ("local.batch_size", "to 65536", lambda: local(batch_size=-1)),
        ("local.max_seconds", r"0 \(no limit\) to 604800", lambda: local(max_seconds=604_801)),
        ("local.max_seconds", "to 604800", lambda: local(max_seconds=-1)),
        ("local.epochs", "no effect with DSGD", lambda: gradients(epochs=2)),
        ("local.max_steps", "no effect with DSGD", lambda: gradients(max_steps=1)),
        ("local.batch_size", "no effect with DSGD", lambda: gradients(batch_size=1)),
        ("local.shuffle", "no effect with DSGD", lambda: gradients(shuffle=False)),
        ("local.max_seconds", "no effect with DSGD", lambda: gradients(max_seconds=1)),
        ("local.local_metrics", "no effect with DSGD", lambda: gradients(local_metrics=True)),
        ("aggregation.trim", "below 0.5", lambda: aggregation(combiner=Combiner.TRIMMED_MEAN, trim=0.5)),
        ("aggregation.trim", "TRIMMED_MEAN only", lambda: aggregation(trim=0.2)),
        ("aggregation.byzantine", "0 to 100000", lambda: aggregation(combiner=Combiner.KRUM, byzantine=-1)),
        ("aggregation.byzantine", r"above 2 \* byzantine \+ 2 \(6\)", lambda: krum(byzantine=2)),
        ("aggregation.byzantine", "KRUM, MULTI_KRUM only", lambda: aggregation(byzantine=1)),
        ("aggregation.krum_selected", "MULTI_KRUM only", lambda: aggregation(krum_selected=3)),
        ("aggregation.krum_selected", "1 to 4", lambda: krum(combiner=Combiner.MULTI_KRUM, byzantine=1)),
        ("aggregation.krum_selected", "1 to 5", lambda: krum(combiner=Combiner.MULTI_KRUM, krum_selected=0)),
        ("aggregation.min_snapshot_updates", "at most 1 with KRUM", lambda: krum(min_snapshot_updates=2)),
        (
            "aggregation.min_snapshot_updates",
            "at most 2 with MULTI_KRUM",
            lambda: krum(combiner=Combiner.MULTI_KRUM, krum_selected=2, min_snapshot_updates=3),
        ),
        ("aggregation.max_norm", "1e-30 to 1e30", lambda: aggregation(max_norm=-1.0)),
        ("aggregation.max_norm", "1e-30 to 1e30", lambda: aggregation(max_norm=math.nan)),
        ("aggregation.clip_norm", "1e-30 to 1e30", lambda: aggregation(clip_norm=math.inf)),
        ("aggregation.clip_norm", "below max_norm", lambda: aggregation(clip_norm=2.0, max_norm=2.0)),
        ("aggregation.beta1", "below 1", lambda: aggregation(algorithm=Algorithm.FEDADAM, beta1=1.0)),
        ("aggregation.beta1", "FEDADAM, FEDAVGM, FEDYOGI only", lambda: aggregation(beta1=0.5)),
        ("aggregation.beta2", "below 1", lambda: aggregation(algorithm=Algorithm.FEDYOGI, beta2=-0.1)),
        ("aggregation.beta2", "FEDADAM, FEDYOGI", lambda: aggregation(algorithm=Algorithm.FEDAVGM, beta2=0.5)),
        ("aggregation.adaptivity", "1e-12", lambda: aggregation(algorithm=Algorithm.FEDADAM, adaptivity=0.0)),
        ("aggregation.adaptivity", "FEDADAGRAD, FEDADAM", lambda: aggregation(adaptivity=0.1)),
        ("aggregation.weighting", "UNIFORM with SCAFFOLD", lambda: aggregation(algorithm=Algorithm.SCAFFOLD)),
        ("aggregation.clip_norm", "with max_norm instead", lambda: scaffold(clip_norm=1.0)),
        ("aggregation.combiner", "MEDIAN does not go with SCAFFOLD", lambda: scaffold(combiner=Combiner.MEDIAN)),
        ("aggregation.combiner", "KRUM does not go with FEDBUFF", lambda: krum(algorithm=Algorithm.FEDBUFF)),
        ("asynchronous", "FEDBUFF only", lambda: TaskSpec("n", "p", asynchronous=AsynchronousSpec(max_staleness=3))),
        ("asynchronous.concurrency", "1 to 1000000", lambda: buffered(concurrency=0)),
        ("asynchronous.max_staleness", "0 to 1000", lambda: buffered(max_staleness=1001)),
        ("asynchronous.staleness_exponent", "0 to 10", lambda: buffered(staleness_exponent=math.nan)),
        (
            "local.max_examples",
            "1 to 8388608 with FEDBUFF",
            lambda: replace(buffered(), local=LocalTrainingSpec(max_examples=8_388_609)),
        ),
        ("target.metric", "plan's metrics", lambda: target(metric="")),
        ("target.value", "finite", lambda: target(value=math.nan)),
        ("evaluate_every", "at least 1 where there is a target", lambda: target(evaluate_every=0)),
        (
            "encoding",
            "float16.float32 do not go together",
            lambda: TaskSpec("n", "p", encoding=encoding_pb2.Encoding(stages=[*FLOAT16.stages, *FLOAT32.stages])),
        ),
        (
            "encoding",
            "upgrade Fieldfare",
            lambda: TaskSpec("n", "p", encoding=encoding_pb2.Encoding(stages=[encoding_pb2.EncodingStage()])),
        ),
    ],
)
def test_every_refused_field_is_named(field, words, call):
    refused(field, words, call)


def test_every_field_travels():
    spec = TaskSpec(
        "n",
        "p",
        rounds=9,
        training=CohortSpec(8, 7, 1.5, MINUTE, 2 * MINUTE),
        evaluation=CohortSpec(6, 3, 2.5, 3 * MINUTE, 4 * MINUTE),
        evaluate_every=3,
        local=LocalTrainingSpec(2, 50, 0.5, 3, 99, 4, 0.0, 8, False, 600, True, Interruption.RESUME),
        aggregation=AggregationSpec(Algorithm.FEDAVG, Weighting.UNIFORM, 0.25, 4, 8.0, max_norm=3.0, clip_norm=2.0),
        target=TargetSpec("loss", 0.5, lower_is_better=False),
        encoding=FLOAT16,
    )
    proto = spec.to_proto()
    assert proto.target == task_pb2.TargetSpec(metric="loss", value=0.5, lower_is_better=False)
    assert (proto.training.report_timeout.seconds, proto.aggregation.max_abs_value) == (120, 8.0)
    assert TaskSpec.from_proto(task_pb2.TaskSpec.FromString(proto.SerializeToString())) == spec


@pytest.mark.parametrize(
    "spec",
    [
        AggregationSpec(Algorithm.FEDAVGM, beta1=0.5),
        AggregationSpec(Algorithm.FEDADAGRAD, adaptivity=0.5),
        AggregationSpec(Algorithm.FEDADAM, beta1=0.25, beta2=0.5, adaptivity=0.5),
        AggregationSpec(Algorithm.FEDYOGI, beta1=0.25, beta2=0.5, adaptivity=0.5),
        AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM, 0.5),
        AggregationSpec(combiner=Combiner.MEDIAN),
        AggregationSpec(Algorithm.DSGD, combiner=Combiner.TRIMMED_MEAN, trim=0.25),
        AggregationSpec(min_snapshot_updates=1, combiner=Combiner.KRUM, byzantine=1),
        AggregationSpec(combiner=Combiner.MULTI_KRUM, byzantine=1, krum_selected=3),
    ],
)
def test_every_algorithm_and_combiner_travels(spec):
    task = TaskSpec("n", "p", aggregation=spec)
    assert TaskSpec.from_proto(task_pb2.TaskSpec.FromString(task.to_proto().SerializeToString())) == task


def test_what_only_some_algorithms_have_travels():
    proximal = TaskSpec(
        "n", "p", local=LocalTrainingSpec(proximal_mu=0.5), aggregation=AggregationSpec(Algorithm.FEDPROX)
    )
    for task in (proximal, buffered(concurrency=3, max_staleness=4, staleness_exponent=0.25)):
        assert TaskSpec.from_proto(task.to_proto()) == task
    assert not TaskSpec("n", "p").to_proto().HasField("asynchronous")


def test_defaults_that_follow_the_cohort_and_the_algorithm():
    proto = task_pb2.TaskSpec(name="n", population="p", training=task_pb2.CohortSpec(goal_count=20, minimum=12))
    proto.aggregation.algorithm = task_pb2.ALGORITHM_FEDBUFF
    assert TaskSpec.from_proto(proto).asynchronous == AsynchronousSpec(26, 10, 0.5)
    proto.aggregation.algorithm = task_pb2.ALGORITHM_SCAFFOLD
    assert TaskSpec.from_proto(proto).aggregation.weighting is Weighting.UNIFORM
    proto.aggregation.algorithm = task_pb2.ALGORITHM_FEDAVG
    proto.aggregation.combiner, proto.aggregation.byzantine = task_pb2.COMBINER_MULTI_KRUM, 3
    assert TaskSpec.from_proto(proto).aggregation.krum_selected == 9


def test_what_devices_are_told_to_do():
    own = {Algorithm.FEDAVG, Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD}
    assert {one: one.on_device for one in Algorithm} == {
        one: one if one in own else Algorithm.FEDAVG for one in Algorithm
    }
    assert [one for one in Algorithm if one.vectors == 2] == [Algorithm.SCAFFOLD]
    assert [one for one in Combiner if AggregationSpec(combiner=one).holds_updates] == [*Combiner][1:]


def test_the_bounds_themselves_are_accepted():
    spec = TaskSpec(
        "x" * 64,
        "A.b_c-9",
        rounds=10**6,
        evaluate_every=10**6,
        training=CohortSpec(100_000, 100_000, 10, 7 * DAY, timedelta.resolution),
        evaluation=CohortSpec(1, 1, 1),
        local=LocalTrainingSpec(1000, 10**6, 1e-9, 10**7, 10**7, batch_size=65_536, max_seconds=604_800),
        aggregation=AggregationSpec(server_learning_rate=1e6, min_snapshot_updates=100_000, max_abs_value=2.0**20),
    )
    assert TaskSpec.from_proto(spec.to_proto()) == spec


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("aggregation.algorithm", lambda proto: setattr(proto.aggregation, "algorithm", 99)),
        ("aggregation.weighting", lambda proto: setattr(proto.aggregation, "weighting", 99)),
        ("aggregation.combiner", lambda proto: setattr(proto.aggregation, "combiner", 99)),
        ("local.interruption", lambda proto: setattr(proto.local, "interruption", 99)),
    ],
)
def test_a_code_from_a_newer_version_is_refused(field, change):
    proto = TaskSpec("n", "p").to_proto()
    change(proto)
    refused(field, "code 99 is not known to this version; upgrade", lambda: TaskSpec.from_proto(proto))


@pytest.mark.parametrize("cohort_name", ["training", "evaluation"])
@pytest.mark.parametrize("key", ["selection_timeout", "report_timeout"])
@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_a_duration_that_is_none_names_its_field(cohort_name, key, seconds):
    proto = TaskSpec("n", "p").to_proto()
    getattr(getattr(proto, cohort_name), key).CopyFrom(Duration(seconds=seconds))
    refused(f"{cohort_name}.{key}", "cannot be read", lambda: TaskSpec.from_proto(proto))


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("loss", True),
        ("mean_squared_error", True),
        ("MeanSquaredError", True),
        ("mae", True),
        ("sparse_categorical_crossentropy", True),
        ("perplexity", True),
        ("false_positives", True),
        ("accuracy", False),
        ("auc", False),
        ("top_k_categorical_accuracy", False),
        ("cosine_similarity", False),
    ],
)
def test_which_way_a_target_looks_by_default(metric, lower):
    proto = task_pb2.TaskSpec(name="n", population="p", target=task_pb2.TargetSpec(metric=metric, value=1))
    assert TaskSpec.from_proto(proto).target == TargetSpec(metric, 1.0, lower)
    proto.target.lower_is_better = not lower
    assert TaskSpec.from_proto(proto).target.lower_is_better is not lower


@pytest.mark.parametrize(
    ("lower", "mean", "reached"), [(True, 0.5, True), (True, 0.51, False), (False, 0.5, True), (False, 0.49, False)]
)
def test_a_target_is_reached_at_its_value(lower, mean, reached):
    assert TargetSpec("m", 0.5, lower).reached(mean) is reached
    assert not TargetSpec("m", 0.5, lower).reached(math.nan)


def test_what_only_the_plan_can_tell():
    names = ("loss", "accuracy")
    target("accuracy").check_against_plan(names, has_gradients=False, batch_size=4)
    refused(
        "target.metric",
        "reports loss, accuracy only",
        lambda: target("f1").check_against_plan(names, has_gradients=True, batch_size=4),
    )
    for spec in (aggregation(algorithm=Algorithm.DSGD), aggregation(algorithm=Algorithm.FEDPROX), scaffold()):
        spec.check_against_plan(names, has_gradients=True, batch_size=4)
        with pytest.raises(ConfigError, match="export it with --gradients") as caught:
            spec.check_against_plan(names, has_gradients=False, batch_size=4)
        assert caught.value.field == "aggregation.algorithm"


def test_local_settings_are_held_to_the_plan():
    local(batch_size=4, local_metrics=True).check_against_plan(("loss",), has_gradients=False, batch_size=4)
    refused(
        "local.batch_size",
        "at most the plan's batch size, 4",
        lambda: local(batch_size=5).check_against_plan(("loss",), has_gradients=False, batch_size=4),
    )
    refused(
        "local.local_metrics",
        "at most 57 characters",
        lambda: local(local_metrics=True).check_against_plan(("x" * 60,), has_gradients=False, batch_size=4),
    )


@pytest.mark.parametrize(("goal", "minimum", "snapshot"), [(1, 1, 1), (2, 2, 2), (3, 2, 2), (10, 5, 2), (11, 6, 2)])
def test_the_default_minimum_keeps_single_updates_off_the_disk(goal: int, minimum: int, snapshot: int):
    spec = task_spec_from_mapping({"name": "n", "population": "p", "training": {"goal_count": goal}})
    assert (spec.training.minimum, spec.aggregation.min_snapshot_updates) == (minimum, snapshot)


@pytest.mark.parametrize("factor", [math.inf, math.nan, -1.0])
def test_an_over_selection_that_gives_no_number_of_devices(factor):
    proto = TaskSpec("n", "p").to_proto()
    proto.aggregation.algorithm = task_pb2.ALGORITHM_FEDBUFF
    proto.training.over_selection = factor
    with pytest.raises(ConfigError, match=r"training\.over_selection: must be 1 to 10"):
        TaskSpec.from_proto(proto)
