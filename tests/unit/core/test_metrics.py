import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.aggregation import MetricTotals
from fieldfare.core.aggregation._metric_totals import _to_units
from fieldfare.core.errors import StorageError, UpdateError
from fieldfare.core.metrics import (
    MetricSum,
    add_metrics,
    local_metric_names,
    local_metrics_problem,
    means,
    metrics_from_proto,
    metrics_to_proto,
)
from fieldfare.protos.v1.tensors_pb2 import MetricSum as Proto


def test_mean_and_sum_of_two():
    total = MetricSum(3.0, 4.0) + MetricSum(1.0, 12.0)
    assert total == MetricSum(4.0, 16.0)
    assert total.mean == 0.25
    assert means({"loss": total}) == {"loss": 0.25}


def test_add_metrics_is_exact_where_naive_addition_is_not():
    parts = [{"loss": MetricSum(value, 1.0)} for value in (1e16, 1.0, -1e16)]
    assert add_metrics(parts) == {"loss": MetricSum(1.0, 3.0)}
    assert sum(one["loss"].sum for one in parts) == 0.0


def test_a_metric_without_any_weight_is_left_out():
    parts = [{"loss": MetricSum(1.0, 2.0), "precision": MetricSum(0.0, 0.0)}] * 2
    assert add_metrics(parts) == {"loss": MetricSum(2.0, 4.0)}


def test_add_metrics_sorts_names_and_takes_metrics_that_some_parts_lack():
    result = add_metrics([{"z": MetricSum(1, 1)}, {"a": MetricSum(2, 2), "z": MetricSum(3, 3)}])
    assert list(result.items()) == [("a", MetricSum(2, 2)), ("z", MetricSum(4, 4))]
    assert add_metrics([]) == {}


def test_proto_round_trip_is_in_the_order_of_names():
    protos = metrics_to_proto({"z": MetricSum(1, 2), "a": MetricSum(-3, 4)})
    assert [one.name for one in protos] == ["a", "z"]
    assert metrics_from_proto(protos) == {"a": MetricSum(-3, 4), "z": MetricSum(1, 2)}


@pytest.mark.parametrize("sum_", [math.nan, math.inf, -math.inf, 1.1e30, -1.1e30])
def test_a_sum_that_is_not_finite_or_absurd_is_refused(sum_):
    with pytest.raises(UpdateError, match="'loss' needs a finite sum") as caught:
        metrics_from_proto([Proto(name="loss", sum=sum_, weight=1)])
    assert caught.value.reason == "metrics"


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0, 0.0, 5e-324, 9e-7, 1.1e30])
def test_a_weight_that_could_not_be_divided_by_is_refused(weight):
    with pytest.raises(UpdateError, match="positive finite weight"):
        metrics_from_proto([Proto(name="loss", sum=1, weight=weight)])


@pytest.mark.parametrize("names", [[""], ["x" * 65], ["a", "a"], [f"m{index}" for index in range(65)]])
def test_bad_names_or_too_many_metrics_are_refused(names):
    with pytest.raises(UpdateError, match="unique, of 1 to 64 characters, and 64 at the most"):
        metrics_from_proto([Proto(name=name, sum=1, weight=1) for name in names])


def test_the_bounds_themselves_are_accepted():
    protos = [Proto(name=f"{index:064d}", sum=1e30, weight=1e-6) for index in range(64)]
    assert len(metrics_from_proto(protos)) == 64


def test_totals_add_exactly_and_come_back_as_floats():
    totals = MetricTotals()
    for value in (1e16, 1.0, -1e16):
        totals.add({"loss": MetricSum(value, 2.0)})
    assert totals.sums() == {"loss": MetricSum(1.0, 6.0)}


def test_totals_merge_and_survive_their_json():
    one, other = MetricTotals(), MetricTotals()
    one.add({"b": MetricSum(0.5, 1.0)})
    other.add({"b": MetricSum(0.25, 1.0), "a": MetricSum(-2.0, 4.0)})
    one.merge(other)
    assert one.to_json() == (
        '{"a": ["-36893488147419103232", "73786976294838206464"], '
        '"b": ["13835058055282163712", "36893488147419103232"]}'
    )
    assert MetricTotals.from_json(one.to_json()).sums() == {"a": MetricSum(-2.0, 4.0), "b": MetricSum(0.75, 2.0)}
    assert MetricTotals.from_json(MetricTotals().to_json()).sums() == {}


def test_the_largest_reports_of_a_large_cohort_still_are_a_float():
    totals = MetricTotals()
    for _ in range(1000):
        totals.add({"loss": MetricSum(1e30, 1e-6)})
    total = totals.sums()["loss"]
    assert total.sum == pytest.approx(1e33)
    assert total.weight == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        '{"a": 3}',
        '{"a": ["1"]}',
        '{"a": ["1", "2", "3"]}',
        '{"a": ["x", "1"]}',
        '{"a": [Infinity, 1]}',
        '{"a": [1.5, 1]}',
        '{"a": ["1", "0"]}',
        '{"a": ["1", "-1"]}',
        '{"a": ["%s", "1"]}' % (2**1024),
        '{"a": ["1", "%s"]}' % (2**1024),
        '{"a": ["%s", "1"]}' % ("9" * 5000),
        "[" * 100_000,
    ],
)
def test_damaged_totals_are_refused(text):
    with pytest.raises(StorageError, match="metric totals of a snapshot are damaged"):
        MetricTotals.from_json(text)


def test_metrics_before_and_after_training_have_names_of_their_own():
    assert local_metric_names(("loss", "f1")) == {"before/loss", "after/loss", "before/f1", "after/f1"}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("loss", "x" * 57), ""),
        (("loss", "x" * 58), "names of at most 57 characters"),
        (tuple(f"m{index}" for index in range(31)), ""),
        (tuple(f"m{index}" for index in range(32)), "at most 31 metrics, loss included; this one has 32"),
        (("loss", "after/loss"), "this one has 'after/loss'"),
    ],
)
def test_which_metrics_can_be_reported_twice(names, problem):
    words = local_metrics_problem(names)
    assert problem in words
    assert bool(words) is bool(problem)
    if not words:
        sums = {name: MetricSum(1, 1) for name in {*local_metric_names(names), "loss"}}
        assert metrics_from_proto(metrics_to_proto(sums)) == sums


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_units_are_rounded_exactly(value: float) -> None:
    assert _to_units(value) == round(Fraction(value) * 2**64)
    tie = math.ldexp(math.floor(value) % 1000 + 0.5, -64)
    assert _to_units(tie) == round(Fraction(tie) * 2**64)
