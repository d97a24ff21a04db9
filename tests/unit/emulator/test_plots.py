from xml.etree import ElementTree as ET

import numpy as np
import pytest

from fieldfare.emulator.report import RoundRow, devices_plot, label_plot, learning_plot, traffic_plot
from tests.unit.emulator.page import SVG, XLINK, drawn, parse_svg, svg_texts

BLUE, ORANGE, GREEN, GREY = "#2f6690", "#d1495b", "#3a7d44", "#9aa5b1"
ROWS = [
    RoundRow(1, 2.0, {}, 4, 2, 1000, 2300, 2.0),
    RoundRow(2, 1.0, {"accuracy": 0.75, "loss": 0.5}, 4, 2, 1100, 2300, 1.0),
    RoundRow(3, 0.5, {"accuracy": 0.875, "loss": 0.25}, 5, 1, 1200, 2300, 0.5),
]
ONE = ROWS[1:2]
UNMEASURED = ROWS[:1]


def with_legend(rows: list[RoundRow]) -> int:
    """A bar's entry in the legend is a bar too; nothing has none."""
    return len(rows) + 1 if rows else 0


def bars(svg: ET.Element, color: str) -> int:
    return len(drawn(svg, "path", color))


@pytest.mark.parametrize(("rows", "points"), [(ROWS, 2), (ONE, 1), (UNMEASURED, 0), ([], 0)])
def test_learning(rows: list[RoundRow], points: int):
    svg = parse_svg(learning_plot(rows, metric="accuracy", target=0.9))
    texts = svg_texts(svg)
    for expected in ("accuracy on held-out examples", "target 0.9", "loss", "mean loss", "training", "held-out"):
        assert expected in texts
    assert texts.count("round") == 2
    assert len(drawn(svg, "use", BLUE)) == points


def test_learning_without_a_target():
    assert "target" not in learning_plot(ROWS, metric="accuracy", target=None)


def test_learning_draws_higher_accuracy_higher():
    svg = parse_svg(learning_plot(ROWS, metric="accuracy", target=None))
    (x_2, y_2), (x_3, y_3) = [(float(one.get("x", "")), float(one.get("y", ""))) for one in drawn(svg, "use", BLUE)]
    assert x_2 < x_3
    assert y_2 > y_3


@pytest.mark.parametrize(("rows", "points"), [(ROWS, 2), (ONE, 1), (UNMEASURED, 0), ([], 0)])
def test_traffic(rows: list[RoundRow], points: int):
    svg = parse_svg(traffic_plot(rows, metric="accuracy"))
    texts = svg_texts(svg)
    for expected in ("accuracy against traffic", "MB over all devices, both ways", "MB", "up", "down"):
        assert expected in texts
    assert len(drawn(svg, "use", GREEN)) == points
    assert bars(svg, BLUE) == bars(svg, GREY) == with_legend(rows)


@pytest.mark.parametrize("rows", [ROWS, ONE, []])
def test_devices(rows: list[RoundRow]):
    svg = parse_svg(devices_plot(rows))
    texts = svg_texts(svg)
    for expected in ("devices of a round", "counted", "asked, not counted", "duration of a round with its evaluation"):
        assert expected in texts
    assert bars(svg, BLUE) == bars(svg, GREY) == with_legend(rows)
    assert bars(svg, GREEN) == len(rows)


@pytest.mark.parametrize("shape", [(30, 10), (3, 4), (1, 1)])
def test_labels(shape: tuple[int, int]):
    svg = parse_svg(label_plot(np.arange(shape[0] * shape[1]).reshape(shape)))
    texts = svg_texts(svg)
    for expected in ("examples of each label on each device", "examples of a device, most first", "device", "label"):
        assert expected in texts
    assert bars(svg, BLUE) == shape[0]
    images = [one.get(f"{XLINK}href", "") for one in svg.iter(f"{SVG}image")]
    assert images
    assert all(one.startswith("data:image/png;base64,") for one in images)
    assert {str(label) for label in range(shape[1])} <= set(texts)
