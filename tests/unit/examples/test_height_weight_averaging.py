import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.height_weight.averaging import (
    Samples,
    centralised_step,
    distributed_sgd_round,
    federated_averaging_round,
    gradient,
    least_squares,
    minibatch_epoch,
    rmse,
    rounds_until,
)
from examples.height_weight.people import data_folder, deal_out, load_people, make_people
from fieldfare.core.errors import DataError

PEOPLE = make_people(120, np.random.default_rng(7))
EVERYONE = Samples(PEOPLE.x, PEOPLE.weight_kg)
RATE = 0.1
SMALL = Samples(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 8.0]))


def split_at(samples, *cuts):
    return [Samples(x, y) for x, y in zip(np.split(samples.x, cuts), np.split(samples.y, cuts), strict=True)]


def test_gradient_by_hand():
    # line 1 + 1x: errors 0, -1, -5; mean -2; mean of error * x = (0 - 1 - 10) / 3
    assert gradient(np.array([1.0, 1.0]), SMALL) == pytest.approx([-4.0, -22.0 / 3.0])


def test_centralised_step_by_hand():
    assert centralised_step(np.array([1.0, 1.0]), SMALL, learning_rate=0.3) == pytest.approx([2.2, 3.2])


def test_least_squares_by_hand():
    # slope = cov / var = 7 / 2, intercept = 4 - 3.5
    assert least_squares(SMALL) == pytest.approx([0.5, 3.5])
    assert rmse(least_squares(SMALL), SMALL) == pytest.approx(np.sqrt(0.5))


@given(cut=st.integers(1, 119), start=st.tuples(st.floats(-60, 60), st.floats(-20, 20)))
def test_distributed_sgd_equals_the_centralised_step_for_any_split(cut, start):
    line = np.array(start)
    expected = centralised_step(line, EVERYONE, learning_rate=RATE)
    found = distributed_sgd_round(line, split_at(EVERYONE, cut), learning_rate=RATE)
    assert np.abs(found - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max(), np.abs(line).max())


@given(cut=st.integers(1, 119), start=st.tuples(st.floats(-60, 60), st.floats(-20, 20)))
def test_one_local_step_of_federated_averaging_is_distributed_sgd(cut, start):
    line = np.array(start)
    clients = split_at(EVERYONE, cut)
    expected = distributed_sgd_round(line, clients, learning_rate=RATE)
    found = federated_averaging_round(line, clients, local_steps=1, learning_rate=RATE)
    assert np.abs(found - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max(), np.abs(line).max())


def test_several_local_steps_differ_and_converge_in_fewer_rounds():
    clients = split_at(EVERYONE, 20, 70)
    line = np.zeros(2)
    one = federated_averaging_round(line, clients, local_steps=1, learning_rate=RATE)
    five = federated_averaging_round(line, clients, local_steps=5, learning_rate=RATE)
    assert np.abs(one - five).max() > 1.0
    target = 1.01 * rmse(least_squares(EVERYONE), EVERYONE)

    def rounds(local_steps):
        def step(line):
            return federated_averaging_round(line, clients, local_steps=local_steps, learning_rate=RATE)

        return rounds_until(step, EVERYONE, target_rmse=target, limit=500)[1]

    assert rounds(5) < rounds(1) / 3


def test_minibatch_sgd_reaches_the_target():
    rng = np.random.default_rng(3)
    target = 1.01 * rmse(least_squares(EVERYONE), EVERYONE)
    line, rounds = rounds_until(
        lambda line: minibatch_epoch(line, EVERYONE, batch_size=16, learning_rate=0.01, rng=rng),
        EVERYONE,
        target_rmse=target,
        limit=500,
    )
    assert rounds > 1
    assert rmse(line, EVERYONE) <= target


def test_rounds_until_gives_up_with_the_error_that_it_reached():
    with pytest.raises(RuntimeError, match=r"after 3 rounds, target 0\.0000"):
        rounds_until(lambda line: line, EVERYONE, target_rmse=0.0, limit=3)


def test_people_are_dealt_out_once_and_unequally():
    parts = deal_out(352, 20, np.random.default_rng(1))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(352))
    sizes = [len(part) for part in parts]
    assert min(sizes) >= 4
    assert max(sizes) >= 2 * min(sizes)


def test_absent_file_makes_people_and_says_so(tmp_path):
    people = load_people(tmp_path / "absent.csv")
    assert "made-up" in people.source
    assert len(people.height_cm) == 352


def test_file_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("height,age\n150,30\n")
    with pytest.raises(DataError, match="no column height_cm, weight_kg"):
        load_people(path)


def test_howell_adults_have_the_known_least_squares_line():
    if not (data_folder() / "howell1_height_weight.csv").is_file():
        pytest.skip("howell1_height_weight.csv is not in FIELDFARE_DATA or ../shared/data")
    people = load_people()
    everyone = Samples(people.height_cm, people.weight_kg)
    intercept, slope = least_squares(everyone)
    assert (len(everyone), round(slope, 3), round(intercept, 1)) == (352, 0.629, -52.3)
    assert round(rmse(np.array([intercept, slope]), everyone), 2) == 4.23
