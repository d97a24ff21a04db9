from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from fieldfare.emulator.records import LogHistogram
from fieldfare.emulator.report import RoundRow
from fieldfare.emulator.report.plots import (
    Against,
    Curve,
    availability_plot,
    cohort_plot,
    curves_plot,
    durations_plot,
    ends_plot,
    energy_plot,
    fairness_plot,
    label_plot,
    learning_plot,
    loss_plot,
    participation_plot,
    round_seconds_plot,
    sizes_plot,
    traffic_plot,
)
from tests.unit.emulator.page import SVG, XLINK, drawn, parse_svg, svg_texts

BLUE, ORANGE, GREEN, GREY = "#2f6690", "#d1495b", "#3a7d44", "#9aa5b1"
ROWS = [
    RoundRow(1, 2.0, {}, 4, 2, 1000, 2300, 2.0, 7200.0, 500.0),
    RoundRow(2, 1.0, {"accuracy": 0.75, "loss": 0.5}, 4, 2, 1100, 2300, 1.0, 14_400.0, 1500.0),
    RoundRow(3, 0.5, {"accuracy": 0.875, "loss": 0.25}, 5, 1, 1200, 2300, 0.5, 21_600.0, 2000.0),
]
ONE = ROWS[1:2]
UNMEASURED = ROWS[:1]


def with_legend(rows: list[RoundRow]) -> int:
    """A bar's entry in the legend is a bar too; nothing has none."""
    return len(rows) + 1 if rows else 0


def bars(svg: ET.Element, color: str) -> int:
    return len(drawn(svg, "path", color))


def points(svg: ET.Element, color: str = BLUE) -> list[tuple[float, float]]:
    return [(float(one.get("x", "")), float(one.get("y", ""))) for one in drawn(svg, "use", color)]


@pytest.mark.parametrize(("rows", "count"), [(ROWS, 2), (ONE, 1), (UNMEASURED, 0), ([], 0)])
def test_learning(rows: list[RoundRow], count: int):
    svg = parse_svg(learning_plot(rows, metric="accuracy", target=0.9))
    texts = svg_texts(svg)
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "accuracy against rounds"
    assert "accuracy against rounds" in texts
    assert ("target 0.9" in texts) == (count > 0)
    assert ("No evaluation has measured this." in texts) == (count == 0)
    assert len(points(svg)) == count


def test_learning_without_a_target():
    assert "target" not in learning_plot(ROWS, metric="accuracy", target=None)


def test_learning_draws_higher_accuracy_higher():
    (x_2, y_2), (x_3, y_3) = points(parse_svg(learning_plot(ROWS, metric="accuracy", target=None)))
    assert x_2 < x_3
    assert y_2 > y_3


@pytest.mark.parametrize(
    ("against", "axis"),
    [
        ("rounds", "round"),
        ("time", "the fleet's time, hours"),
        ("bytes", "kB over all devices, both ways"),
        ("energy", "kJ over all devices"),
    ],
)
def test_what_stands_on_the_horizontal_axis(against: Against, axis: str):
    metric = parse_svg(learning_plot(ROWS, metric="accuracy", target=None, against=against))
    loss = parse_svg(loss_plot(ROWS, against=against))
    assert axis in svg_texts(metric)
    assert axis in svg_texts(loss)
    assert len(points(metric)) == 2


def test_the_fleets_time_is_to_scale():
    rows = [RoundRow(n, 1.0, {"a": 0.1 * n}, 1, 0, 1, 1, 1.0, at) for n, at in ((1, 0.0), (2, 30.0), (3, 120.0))]
    x = [one for one, _ in points(parse_svg(learning_plot(rows, metric="a", target=None, against="time")))]
    assert (x[2] - x[0]) / (x[1] - x[0]) == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize(("rows", "train", "held"), [(ROWS, 3, 2), (UNMEASURED, 1, 0), ([], 0, 0)])
def test_losses(rows: list[RoundRow], train: int, held: int):
    svg = parse_svg(loss_plot(rows))
    # A line's entry in the legend has a marker of its own.
    assert len(points(svg, ORANGE)) == (train + 1 if train else 0)
    assert len(points(svg, BLUE)) == (held + 1 if held else 0)
    assert ("No round has told a loss." in svg_texts(svg)) == (not rows)


def test_a_loss_that_is_no_number_leaves_a_gap():
    rows = [*ROWS, RoundRow(4, float("nan"), {}, 4, 2, 10, 20, 1.0)]
    assert len(points(parse_svg(loss_plot(rows)), ORANGE)) == 4


@pytest.mark.parametrize("rows", [ROWS, ONE, []])
def test_rounds(rows: list[RoundRow]):
    traffic, cohort = parse_svg(traffic_plot(rows)), parse_svg(cohort_plot(rows))
    assert bars(traffic, BLUE) == bars(traffic, GREY) == with_legend(rows)
    assert bars(cohort, BLUE) == bars(cohort, GREY) == with_legend(rows)
    assert bars(parse_svg(round_seconds_plot(rows)), GREEN) == len(rows)
    assert bars(parse_svg(energy_plot(rows)), ORANGE) == len(rows)
    for svg in (traffic, cohort):
        assert ("No round has been committed." in svg_texts(svg)) == (not rows)


def test_a_plot_of_many_rounds_stays_small():
    rows = [RoundRow(n, 1.0 / n, {"a": n / 5000}, 4, 2, 10, 20, 1.0, float(n)) for n in range(1, 5001)]
    cohort, learning = cohort_plot(rows), learning_plot(rows, metric="a", target=None)
    assert bars(parse_svg(cohort), BLUE) == 1 + 120
    assert "round; a bar is the mean of 42" in svg_texts(parse_svg(cohort))
    assert max(len(cohort), len(learning), len(loss_plot(rows))) < 200_000


@pytest.mark.parametrize("shape", [(30, 10), (3, 4), (1, 1)])
def test_labels(shape: tuple[int, int]):
    svg = parse_svg(label_plot(np.arange(shape[0] * shape[1]).reshape(shape)))
    texts = svg_texts(svg)
    assert {"examples of each label on each device", "device", "label"} <= set(texts)
    images = [one.get(f"{XLINK}href", "") for one in svg.iter(f"{SVG}image")]
    assert images
    assert all(one.startswith("data:image/png;base64,") for one in images)
    assert {str(label) for label in range(shape[1])} <= set(texts)


def test_of_many_labels_some_are_named():
    texts = svg_texts(parse_svg(label_plot(np.ones((5, 100), np.int64), labels=range(900, 1000), of_all=70_000)))
    assert "900" in texts
    assert "901" not in texts
    assert "5 devices, spread over all 70,000" in texts


def test_sizes():
    assert bars(parse_svg(sizes_plot([1.0, 2.0, 4.0], [7, 3])), BLUE) == 2


def test_participations():
    svg = parse_svg(participation_plot(np.array([0, 0, 1, 1, 1, 3], np.int32)))
    # Who never took part stands out.
    assert (bars(svg, GREY), bars(svg, BLUE)) == (1, 3)
    assert "No training report has counted." in svg_texts(parse_svg(participation_plot(np.zeros(3, np.int32))))
    many = parse_svg(participation_plot(np.arange(5000, dtype=np.int32)))
    assert bars(many, BLUE) <= 31


def test_ends():
    texts = svg_texts(parse_svg(ends_plot({"late": 5, "counted": 1995})))
    assert {"counted", "late", "1,995 (100%)", "5 (<1%)"} <= set(texts)
    assert "Nothing was asked of any device." in svg_texts(parse_svg(ends_plot({})))


@pytest.mark.parametrize("shares", [np.zeros((7, 24)), np.linspace(0, 1, 168).reshape(7, 24)])
def test_availability(shares: np.ndarray):
    texts = svg_texts(parse_svg(availability_plot(shares, title="a week", what="share", percent=True)))
    assert {"Mon", "Sun", "0", "24", "share, %", "100"} <= set(texts)


def test_durations():
    histogram = LogHistogram()
    histogram.add(np.array([1.5, 2.5, 30.0]))
    texts = svg_texts(parse_svg(durations_plot({"all": histogram.filled(), "none": LogHistogram().filled()})))
    assert "all" in texts
    assert "none" not in texts
    # Plain numbers, no formulas.
    assert {"1", "10"} <= set(texts)
    assert "No device has finished its part." in svg_texts(parse_svg(durations_plot({"all": LogHistogram().filled()})))


def test_fairness():
    values = np.linspace(0.2, 0.9, 40)
    svg = parse_svg(fairness_plot(values, values[:4], metric="accuracy"))
    assert {"the worst tenth", "mean", "accuracy of single devices"} <= set(svg_texts(svg))
    assert bars(svg, ORANGE) > 1
    nobody = np.zeros(0)
    assert "No device has been evaluated." in svg_texts(parse_svg(fairness_plot(nobody, nobody, metric="accuracy")))


def test_devices_that_are_all_alike_have_one_bar():
    svg = parse_svg(fairness_plot(np.ones(9), np.ones(1), metric="accuracy"))
    assert "all measured devices" in svg_texts(svg)


def test_curves_have_a_band_where_there_is_one():
    x, y = np.arange(3.0), np.array([0.1, 0.5, 0.6])
    plain = Curve("FEDAVG", x, y)
    banded = Curve("FEDPROX", x, y + 0.1, low=y, high=y + 0.2)
    svg = parse_svg(
        curves_plot([plain, banded, Curve("none", x[:0], y[:0])], title="accuracy", x="round", y="accuracy")
    )
    bands = [one for one in svg.iter() if "fill-opacity: 0.15" in one.get("style", "")]
    assert ["--orange" in one.get("style", "") for one in bands] == [True]
    assert {"FEDAVG", "FEDPROX"} <= set(svg_texts(svg))
    assert "none" not in svg_texts(svg)
    assert "No evaluation has measured this." in svg_texts(parse_svg(curves_plot([], title="a", x="b", y="c")))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: learning_plot(ROWS, metric="accuracy", target=0.5),
        lambda: label_plot(np.ones((3, 3), np.int64)),
        lambda: ends_plot({"counted": 3}),
    ],
)
def test_plots_follow_the_page_in_font_and_colors(draw: Callable[[], str]):
    svg = draw()
    assert "DejaVu" not in svg
    assert "var(--ink, #1d2733)" in svg
    assert 'id="figure' not in svg
    assert draw() == svg


def test_drawing_leaves_the_settings_of_others_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    learning_plot(ROWS, metric="accuracy", target=None)
    assert dict(mpl.rcParams) == before
