import numpy as np
import pytest

from fieldfare.core.aggregation import ReportRules, check_header, read_update, update_weight
from fieldfare.core.encodings import FLOAT16, FLOAT32, encode_update
from fieldfare.core.errors import UpdateError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.tasks import AggregationSpec, Algorithm, LocalTrainingSpec, TaskSpec, Weighting
from fieldfare.core.weights import TensorSpec, specs_to_proto
from fieldfare.protos.v1.aggregator_pb2 import ReportHeader
from fieldfare.protos.v1.encoding_pb2 import Encoding, EncodingStage
from fieldfare.protos.v1.task_pb2 import ROUND_KIND_EVALUATION, ROUND_KIND_TRAINING
from fieldfare.protos.v1.tensors_pb2 import MetricSum as MetricProto
from fieldfare.protos.v1.tensors_pb2 import TensorSpec as TensorProto

WEIGHTS = (TensorSpec("kernel", "float32", (2, 3)), TensorSpec("bias", "float32", (3,)))
SPEC = TaskSpec("t", "p", local=LocalTrainingSpec(epochs=2, max_examples=100))


def rules(kind: int = ROUND_KIND_TRAINING, spec: TaskSpec = SPEC) -> ReportRules:
    return ReportRules(spec, WEIGHTS, ("loss", "accuracy"), kind)


def header(**changes) -> ReportHeader:
    fields = {
        "example_count": 10,
        "metrics": [MetricProto(name="loss", sum=5, weight=20)],
        "tensors": specs_to_proto(WEIGHTS),
        "encoding": FLOAT32,
        "payload_bytes": 36,
    }
    return ReportHeader(**{name: value for name, value in {**fields, **changes}.items() if value is not None})


def test_a_training_report_yields_its_metrics():
    assert check_header(header(), rules()) == {"loss": MetricSum(5, 20)}
    assert check_header(header(metrics=[]), rules()) == {}


def test_an_absent_encoding_is_float32():
    assert check_header(header(encoding=Encoding()), rules())
    assert check_header(header(), rules(spec=TaskSpec("t", "p", local=SPEC.local, encoding=Encoding())))


def test_float16_halves_the_length():
    spec = TaskSpec("t", "p", local=SPEC.local, encoding=FLOAT16)
    assert check_header(header(encoding=FLOAT16, payload_bytes=18), rules(spec=spec))


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"example_count": 0}, "example_count", "must be 1 to 100"),
        ({"example_count": 101}, "example_count", "must be 1 to 100"),
        ({"metrics": [MetricProto(name="f1", sum=1, weight=1)]}, "metrics", "the plan has no metric 'f1'"),
        ({"metrics": [MetricProto(name="loss", sum=1, weight=0)]}, "metrics", "positive finite weight"),
        ({"metrics": [MetricProto(name="loss", sum=1, weight=20.5)]}, "metrics", "more than the examples behind it"),
        ({"tensors": specs_to_proto(WEIGHTS[::-1])}, "tensors", "order of the tensors must be those of the plan"),
        ({"tensors": []}, "tensors", "must be those of the plan"),
        ({"tensors": [TensorProto(name="kernel", dtype=99)]}, "tensors", "dtype code 99"),
        ({"encoding": FLOAT16, "payload_bytes": 18}, "encoding", "not the one that the assignment asked for"),
        ({"encoding": Encoding(stages=[EncodingStage()])}, "encoding", "upgrade"),
        ({"payload_bytes": 35}, "length", "must have 36 bytes, not 35"),
    ],
)
def test_what_a_training_report_is_refused_for(changes, reason, words):
    with pytest.raises(UpdateError, match=words) as caught:
        check_header(header(**changes), rules())
    assert caught.value.reason == reason


def test_local_metrics_come_beside_the_loss_of_the_training_where_the_task_asks():
    local = LocalTrainingSpec(epochs=2, max_examples=100, local_metrics=True)
    asked = rules(spec=TaskSpec("t", "p", local=local))
    sent = [("loss", 20), ("before/loss", 100), ("after/accuracy", 3)]
    both = header(metrics=[MetricProto(name=name, sum=1, weight=weight) for name, weight in sent])
    assert check_header(both, asked) == {name: MetricSum(1, weight) for name, weight in sent}
    for refused, words in ((("before/loss", 100.5), "more than the examples"), (("before/f1", 1), "no metric")):
        name, weight = refused
        with pytest.raises(UpdateError, match=words):
            check_header(header(metrics=[MetricProto(name=name, sum=1, weight=weight)]), asked)
    with pytest.raises(UpdateError, match="the plan has no metric 'after/accuracy', 'before/loss'"):
        check_header(both, rules())
    evaluation = ReportHeader(example_count=10, metrics=[MetricProto(name="before/loss", sum=1, weight=1)])
    with pytest.raises(UpdateError, match="the plan has no metric 'before/loss'"):
        check_header(evaluation, rules(ROUND_KIND_EVALUATION, asked.spec))


def with_aggregation(**changes) -> ReportRules:
    return rules(spec=TaskSpec("t", "p", local=SPEC.local, aggregation=AggregationSpec(**changes)))


def test_scaffold_sends_two_vectors():
    two = with_aggregation(algorithm=Algorithm.SCAFFOLD, weighting=Weighting.UNIFORM)
    assert (rules().values, two.values) == (9, 18)
    assert check_header(header(payload_bytes=72), two)
    with pytest.raises(UpdateError, match="must have 72 bytes, not 36"):
        check_header(header(), two)


def test_an_update_is_held_to_every_bound_and_clipped():
    vector = np.array([3.0, 0, 0, 0, 4.0, 0, 0, 0, 0], "f4")
    payload = encode_update(FLOAT32, vector)
    assert read_update(FLOAT32, payload, rules()).tolist() == vector.tolist()
    assert read_update(FLOAT32, payload, with_aggregation(max_norm=5.0)).tolist() == vector.tolist()
    assert read_update(FLOAT32, payload, with_aggregation(clip_norm=2.5)).tolist() == (vector / 2).tolist()
    for bounds, reason in (({"max_norm": 4.9}, "norm"), ({"max_abs_value": 3.9}, "too_large")):
        with pytest.raises(UpdateError) as caught:
            read_update(FLOAT32, payload, with_aggregation(**bounds))
        assert caught.value.reason == reason


def test_the_norm_of_each_of_two_vectors_is_bounded():
    two = {"algorithm": Algorithm.SCAFFOLD, "weighting": Weighting.UNIFORM}
    vector = np.concatenate([np.full(9, 0.5, "f4"), np.full(9, -1.0, "f4")])
    payload = encode_update(FLOAT32, vector, parts=2)
    assert read_update(FLOAT32, payload, with_aggregation(max_norm=3.0, **two)).tolist() == vector.tolist()
    with pytest.raises(UpdateError, match=r"norm 3, beyond 2\.9"):
        read_update(FLOAT32, payload, with_aggregation(max_norm=2.9, **two))


def evaluation(**changes) -> ReportHeader:
    fields = {"metrics": [MetricProto(name="accuracy", sum=5, weight=10)], "tensors": None, "encoding": None}
    return header(**{**fields, "payload_bytes": None, **changes})


def test_an_evaluation_report_yields_its_metrics():
    assert check_header(evaluation(), rules(ROUND_KIND_EVALUATION)) == {"accuracy": MetricSum(5, 10)}


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"payload_bytes": 1}, "payload", "metrics only"),
        ({"tensors": specs_to_proto(WEIGHTS)}, "payload", "metrics only"),
        ({"metrics": []}, "metrics", "needs metrics"),
        ({"metrics": [MetricProto(name="loss", sum=1, weight=11)]}, "metrics", "more than the examples behind it"),
    ],
)
def test_what_an_evaluation_report_is_refused_for(changes, reason, words):
    with pytest.raises(UpdateError, match=words) as caught:
        check_header(evaluation(**changes), rules(ROUND_KIND_EVALUATION))
    assert caught.value.reason == reason


def test_an_update_counts_for_its_examples_or_for_one():
    assert update_weight(SPEC, 37) == 37
    uniform = TaskSpec("t", "p", aggregation=AggregationSpec(weighting=Weighting.UNIFORM))
    assert update_weight(uniform, 37) == 1
