"""Task specifications as people write them: TOML with the field names of `task.proto`."""

import tomllib
from datetime import timedelta

import pytest

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
    LocalTrainingSpec,
    TargetSpec,
    TaskSpec,
    Weighting,
    task_spec_from_mapping,
)

MINUTE = timedelta(minutes=1)


TOML = """
name = "digits"
population = "demo"
rounds = 3
evaluate_every = 2
encoding = ["float16"]
[training]
goal_count = 4
report_timeout = "90s"
[local]
learning_rate = 0.05
[aggregation]
algorithm = "dsgd"
weighting = "UNIFORM"
[target]
metric = "accuracy"
value = 1
"""


def test_a_specification_as_people_write_it():
    spec = task_spec_from_mapping(tomllib.loads(TOML))
    training = CohortSpec(4, 2, 1.3, 10 * MINUTE, 1.5 * MINUTE)
    assert spec == TaskSpec(
        "digits",
        "demo",
        rounds=3,
        training=training,
        evaluation=training,
        evaluate_every=2,
        local=LocalTrainingSpec(learning_rate=0.05),
        aggregation=AggregationSpec(Algorithm.DSGD, Weighting.UNIFORM),
        target=TargetSpec("accuracy", 1.0, lower_is_better=False),
        encoding=FLOAT16,
    )


def test_an_empty_list_of_stages_is_float32():
    assert task_spec_from_mapping({"name": "n", "population": "p", "encoding": []}).encoding == FLOAT32


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"round": 3}, "round", "did you mean 'rounds'"),
        ({"zzz": 3}, "zzz", "known keys: aggregation, asynchronous"),
        ({"training": {"goalcount": 3}}, "training.goalcount", "did you mean 'goal_count'"),
        ({"training": 3}, "training", "must be a table, got 3"),
        ({"rounds": "many"}, "rounds", "cannot be 'many'"),
        ({"rounds": True}, "rounds", "cannot be True"),
        ({"rounds": -1}, "rounds", "cannot be -1"),
        ({"rounds": 2**40}, "rounds", "out of range"),
        ({"rounds": 1.5}, "rounds", "cannot be 1.5"),
        ({"name": 5}, "name", "cannot be 5"),
        ({"local": {"epochs": 0}}, "local.epochs", "1 to 1000"),
        ({"training": {"report_timeout": 90}}, "training.report_timeout", "cannot be 90"),
        ({"training": {"report_timeout": "90"}}, "training.report_timeout", "cannot be '90'"),
        ({"training": {"report_timeout": "-9s"}}, "training.report_timeout", "positive duration"),
        ({"aggregation": {"algorithm": "SGD"}}, "aggregation.algorithm", "one of FEDAVG, DSGD, .*, got 'SGD'"),
        ({"aggregation": {"algorithm": "UNSPECIFIED"}}, "aggregation.algorithm", "one of FEDAVG, DSGD"),
        ({"aggregation": {"weighting": 1}}, "aggregation.weighting", "one of EXAMPLES, UNIFORM, got 1"),
        ({"encoding": "float16"}, "encoding", r'list of stages, such as \["float16"\]'),
        ({"encoding": [16]}, "encoding", "list of stages"),
        ({"encoding": ["int3"]}, "encoding", "unknown stage 'int3'; known are float16, float32"),
        ({"encoding": ["float16", "float16"]}, "encoding", "do not go together"),
        ({"target": {"metric": "loss", "value": "low"}}, "target.value", "cannot be 'low'"),
        ({"target": {"metric": "loss", "value": 1, "lower_is_better": 1}}, "target.lower_is_better", "cannot be 1"),
    ],
)
def test_what_people_get_wrong(changes, field, words):
    with pytest.raises(ConfigError, match=words) as caught:
        task_spec_from_mapping({"name": "n", "population": "p", **changes})
    assert caught.value.field == field
