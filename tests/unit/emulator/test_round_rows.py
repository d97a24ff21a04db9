import json
import math
from pathlib import Path

import pytest

from fieldfare.emulator.report import RoundRow, round_rows, write_rounds_csv, write_summary
from tests.unit.emulator.rounds import (
    ABANDONED,
    COLLECTING,
    COMMITTED,
    EVALUATION,
    SELECTING,
    TRAINING,
    evaluated,
    round_status,
    trained,
)


def test_no_rounds_are_no_rows():
    assert round_rows([]) == []


def test_a_training_round_is_joined_with_the_evaluation_of_what_it_made():
    rounds = [
        trained(0, loss=2.0, at=0, until=1.5),
        evaluated(1, accuracy=0.25, at=1.5, until=2.0),
        trained(1, loss=1.0, at=2.0, until=2.75, up=1100),
        evaluated(2, accuracy=0.75, at=2.75, until=3.0),
    ]
    assert round_rows(rounds) == [
        RoundRow(1, 2.0, {"accuracy": 0.25, "loss": 0.5}, 4, 2, 1000, 2300, 2.0, 2.0),
        RoundRow(2, 1.0, {"accuracy": 0.75, "loss": 0.5}, 4, 2, 1100, 2300, 1.0, 3.0),
    ]


def test_rounds_join_by_version_whatever_their_order():
    rounds = [
        evaluated(2, accuracy=0.75, at=2.75, until=3.0),
        trained(0, loss=2.0, at=0, until=1.5),
        evaluated(1, accuracy=0.25, at=1.5, until=2.0),
        trained(1, loss=1.0, at=2.0, until=2.75),
    ]
    assert [(row.version, row.held_out["accuracy"]) for row in round_rows(rounds)] == [(1, 0.25), (2, 0.75)]


def test_abandoned_rounds_add_their_bytes_only():
    rounds = [
        round_status(TRAINING, ABANDONED, 0, at=0, until=60, reported=1, up=70, down=500, metrics={"loss": (900, 1)}),
        trained(0, loss=2.0, at=60, until=61),
        round_status(EVALUATION, ABANDONED, 1, at=61, until=62, up=0, down=30, metrics={"accuracy": (1, 1)}),
        evaluated(1, accuracy=0.5, at=62, until=64),
    ]
    assert round_rows(rounds) == [RoundRow(1, 2.0, {"accuracy": 0.5, "loss": 0.5}, 4, 2, 1070, 2830, 4.0, 64.0)]


def test_an_abandoned_evaluation_is_no_measurement():
    rounds = [
        trained(0, loss=2.0, at=0, until=1),
        round_status(EVALUATION, ABANDONED, 1, at=1, until=3, down=30, metrics={"accuracy": (1, 1)}),
    ]
    assert round_rows(rounds) == [RoundRow(1, 2.0, {}, 4, 2, 1000, 2030, 3.0, 3.0)]


def test_energy_is_that_of_all_rounds_of_a_version():
    rounds = [
        round_status(TRAINING, ABANDONED, 0, at=0, until=60),
        trained(0, loss=2.0, at=60, until=61),
        evaluated(1, accuracy=0.5, at=62, until=64),
        trained(1, loss=2.0, at=64, until=65),
    ]
    for number, one in enumerate(rounds, 1):
        one.number = number
    assert [row.energy_j for row in round_rows(rounds, {1: 1.0, 2: 20.0, 3: 300.0})] == [321.0, 0.0]


@pytest.mark.parametrize("state", [SELECTING, COLLECTING, ABANDONED])
def test_a_round_that_is_not_committed_is_not_shown(state):
    assert round_rows([round_status(TRAINING, state, 0, at=0, until=1, up=5)]) == []


@pytest.mark.parametrize("state", [SELECTING, COLLECTING])
def test_a_running_evaluation_counts_as_none(state):
    rounds = [trained(0, loss=2.0, at=0, until=1), round_status(EVALUATION, state, 1, at=1, down=99)]
    assert round_rows(rounds) == [RoundRow(1, 2.0, {}, 4, 2, 1000, 2000, 1.0, 1.0)]


def test_a_missing_evaluation_leaves_the_measurement_empty():
    rounds = [
        trained(0, loss=2.0, at=0, until=1),
        trained(1, loss=1.0, at=1, until=2),
        evaluated(2, accuracy=0.5, at=2, until=3),
    ]
    assert [dict(row.held_out) for row in round_rows(rounds)] == [{}, {"accuracy": 0.5, "loss": 0.5}]


def test_the_submitted_checkpoint_can_be_evaluated_without_a_row():
    assert round_rows([evaluated(0, accuracy=0.1, at=0, until=1)]) == []


def test_devices_out_are_those_whose_report_was_not_counted():
    one = round_status(TRAINING, COMMITTED, 0, at=0, until=1, assigned=13, reported=10, metrics={"loss": (1, 2)})
    (row,) = round_rows([one])
    assert (row.devices_in, row.devices_out, row.train_loss) == (10, 3, 0.5)


def test_rounds_csv(tmp_path: Path):
    rows = [
        RoundRow(1, math.nan, {}, 4, 2, 1000, 2300, 2.0, 2.5),
        RoundRow(2, 1 / 3, {"loss": 0.5, "accuracy": 0.75}, 3, 0, 1100, 2300, 1.23456, 4.0, 12.5),
    ]
    write_rounds_csv(tmp_path / "rounds.csv", rows)
    assert (tmp_path / "rounds.csv").read_bytes() == (
        b"round,train_loss,held_out_accuracy,held_out_loss,devices_in,devices_out,bytes_up,bytes_down,seconds,"
        b"ended_s,energy_j\n"
        b"1,,,,4,2,1000,2300,2.000,2.500,0.000\n"
        b"2,0.333333,0.750000,0.500000,3,0,1100,2300,1.235,4.000,12.500\n"
    )


def test_rounds_csv_without_rounds(tmp_path: Path):
    write_rounds_csv(tmp_path / "rounds.csv", [])
    expected = b"round,train_loss,devices_in,devices_out,bytes_up,bytes_down,seconds,ended_s,energy_j\n"
    assert (tmp_path / "rounds.csv").read_bytes() == expected


def test_a_metric_name_with_a_comma_stays_one_column(tmp_path: Path):
    write_rounds_csv(tmp_path / "rounds.csv", [RoundRow(1, 2.0, {"a,b": 0.5}, 4, 2, 10, 20, 1.0)])
    assert (tmp_path / "rounds.csv").read_text().splitlines()[0].startswith('round,train_loss,"held_out_a,b",devices')


def test_summary(tmp_path: Path):
    summary = {"outcome": "2 rounds done", "test": {"accuracy": 0.5}, "rounds": 2}
    write_summary(tmp_path / "summary.json", summary)
    text = (tmp_path / "summary.json").read_text()
    assert text.startswith('{\n  "outcome": "2 rounds done",\n')
    assert text.endswith("}\n")
    assert json.loads(text) == summary


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_summary_refuses_what_json_does_not_have(tmp_path: Path, value: float):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_summary(tmp_path / "summary.json", {"test": {"accuracy": value}})
    assert not (tmp_path / "summary.json").exists()
