from pathlib import Path

import numpy as np
import pytest

from fieldfare.emulator.report import (
    Fact,
    Plot,
    RoundRow,
    devices_plot,
    label_plot,
    learning_plot,
    traffic_plot,
    write_report,
)
from tests.unit.emulator.page import Page, svg_texts, svgs

ROWS = [
    RoundRow(1, 2.0, {}, 4, 2, 1000, 2300, 2.0),
    RoundRow(2, 1.0, {"accuracy": 0.75, "loss": 0.5}, 4, 2, 1100, 2300, 1.0),
    RoundRow(3, 0.5, {"accuracy": 0.875, "loss": 0.25}, 5, 1, 1200, 2300, 0.5),
]


def render(path: Path, *, title="A title", lead="A lead.", facts=(), plots=(), rows=()) -> Page:
    write_report(path / "report.html", title=title, lead=lead, facts=facts, plots=plots, rows=rows)
    return Page((path / "report.html").read_text(encoding="utf-8"))


def every_plot(rows) -> list[Plot]:
    return [
        Plot("learning", learning_plot(rows, metric="accuracy", target=0.9)),
        Plot("traffic", traffic_plot(rows, metric="accuracy")),
        Plot("devices", devices_plot(rows)),
        Plot("labels", label_plot(np.arange(12).reshape(3, 4))),
    ]


def test_one_table_row_a_round(tmp_path: Path):
    page = render(tmp_path, rows=ROWS)
    held_out = ["held-out accuracy", "held-out loss"]
    counts = ["devices in", "devices out", "kB up", "kB down", "seconds"]
    assert page.table == [
        ["round", "training loss", *held_out, *counts],
        ["1", "2.0000", "", "", "4", "2", "1.0", "2.3", "2.00"],
        ["2", "1.0000", "0.7500", "0.5000", "4", "2", "1.1", "2.3", "1.00"],
        ["3", "0.5000", "0.8750", "0.2500", "5", "1", "1.2", "2.3", "0.50"],
    ]


def test_facts_captions_and_lead_are_there(tmp_path: Path):
    facts = [Fact("devices", "30 in 2 processes"), Fact("weights", "13,706")]
    page = render(tmp_path, facts=facts, plots=[Plot("What it shows.", "<svg/>")], lead="It ended.")
    assert page.texts["dt"] == ["devices", "weights"]
    assert page.texts["dd"] == ["30 in 2 processes", "13,706"]
    assert page.texts["figcaption"] == ["What it shows."]
    assert page.texts["p"] == ["It ended."]
    assert page.texts["title"] == page.texts["h1"] == ["A title"]


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}&amp;"])
def test_hostile_text_is_shown_and_not_run(tmp_path: Path, hostile: str):
    rows = [RoundRow(1, 2.0, {hostile: 0.5}, 4, 2, 1000, 2300, 2.0)]
    plots = [Plot(hostile, "<svg></svg>")]
    page = render(tmp_path, title=hostile, lead=hostile, facts=[Fact(hostile, hostile)], plots=plots, rows=rows)
    assert not {"script", "img"} & set(page.tags)
    assert page.handlers == []
    assert page.loads == []
    for tag in ("title", "h1", "p", "dt", "dd", "figcaption"):
        assert "".join(page.texts[tag]) == hostile
    assert page.table[0][2] == f"held-out {hostile}"


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</text><image href='http://x.test/'/>", "$x_$", "a$b"]
)
def test_a_hostile_metric_name_does_not_break_out_of_a_plot(tmp_path: Path, hostile: str):
    rows = [RoundRow(1, 2.0, {hostile: 0.5}, 4, 2, 1000, 2300, 2.0)]
    plots = [
        Plot("", learning_plot(rows, metric=hostile, target=0.5)),
        Plot("", traffic_plot(rows, metric=hostile)),
    ]
    page = render(tmp_path, plots=plots, rows=rows)
    assert len(svgs(page.source)) == 2
    assert all(hostile in svg_texts(svg) for svg in svgs(page.source))
    assert "script" not in page.tags
    assert page.remote == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_plot_is_in_the_page_and_nothing_is_loaded(tmp_path: Path, count: int):
    page = render(tmp_path, plots=every_plot(ROWS[:count]), rows=ROWS[:count])
    assert page.tags.count("svg") == len(svgs(page.source)) == 4
    assert len(page.table) == 1 + count
    assert page.loads, "plots refer to their own parts"
    assert page.remote == []
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)


def test_the_page_is_the_same_for_the_same_rounds(tmp_path: Path):
    pages = [render(tmp_path, plots=every_plot(ROWS), rows=ROWS).source for _ in range(2)]
    assert pages[0] == pages[1]


def test_what_would_be_loaded_is_found():
    source = (
        '<style>@import "a.css"; p { background: url(http://x.test/b.png) }</style><img src="http://x.test/c">'
        '<svg><use xlink:href="#in"/><image xlink:href="https://x.test/d"/><g style="fill: url(#e)"/></svg>'
    )
    found = Page(source).remote
    assert [one for one in found if "import" not in one] == [
        "http://x.test/b.png",
        "http://x.test/c",
        "https://x.test/d",
    ]
    assert len(found) == 4
