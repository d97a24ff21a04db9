from pathlib import Path

import numpy as np
import pytest

from fieldfare.emulator.report import Fact, Plot, RoundRow, Section, Table, rounds_section, write_report
from fieldfare.emulator.report.plots import (
    cohort_plot,
    fairness_plot,
    label_plot,
    learning_plot,
    loss_plot,
    traffic_plot,
)
from tests.unit.emulator.page import Page, svg_texts, svgs

ROWS = [
    RoundRow(1, 2.0, {}, 4, 2, 1000, 2300, 2.0),
    RoundRow(2, 1.0, {"accuracy": 0.75, "loss": 0.5}, 4, 2, 1100, 2300, 1.0),
    RoundRow(3, 0.5, {"accuracy": 0.875, "loss": 0.25}, 5, 1, 1200, 2300, 0.5),
]


def render(path: Path, *, title="A title", lead="A lead.", facts=(), sections=()) -> Page:
    write_report(path / "report.html", title=title, lead=lead, facts=facts, sections=sections)
    return Page((path / "report.html").read_text(encoding="utf-8"))


def every_plot(rows) -> Section:
    plots = (
        learning_plot(rows, metric="accuracy", target=0.9),
        loss_plot(rows),
        traffic_plot(rows),
        cohort_plot(rows),
        label_plot(np.arange(12).reshape(3, 4)),
    )
    return Section("Plots", plots=[Plot("", one) for one in plots])


def test_one_table_row_a_round(tmp_path: Path):
    page = render(tmp_path, sections=[rounds_section(ROWS)])
    held_out = ["held-out accuracy", "held-out loss"]
    counts = ["devices in", "devices out", "kB up", "kB down", "seconds", "ended at, s"]
    assert page.table == [
        ["round", "training loss", *held_out, *counts],
        ["1", "2.0000", "", "", "4", "2", "1.0", "2.3", "2.00", "0.00"],
        ["2", "1.0000", "0.7500", "0.5000", "4", "2", "1.1", "2.3", "1.00", "0.00"],
        ["3", "0.5000", "0.8750", "0.2500", "5", "1", "1.2", "2.3", "0.50", "0.00"],
    ]
    assert "details" not in page.tags


def test_energy_has_a_column_where_there_is_any_and_an_unknown_loss_is_empty(tmp_path: Path):
    rows = [RoundRow(1, float("nan"), {}, 4, 2, 1000, 2300, 2.0, 3.0, 12.34)]
    page = render(tmp_path, sections=[rounds_section(rows)])
    assert page.table[1] == ["1", "", "4", "2", "1.0", "2.3", "2.00", "3.00", "12.3"]


def test_a_long_table_is_folded(tmp_path: Path):
    page = render(tmp_path, sections=[rounds_section(ROWS * 50)])
    assert page.tags.count("details") == page.tags.count("summary") == 1
    assert len(page.table) == 151


def test_of_very_many_rounds_the_last_are_shown(tmp_path: Path):
    page = render(tmp_path, sections=[rounds_section([RoundRow(n, 1.0, {}, 1, 0, 1, 1, 1.0) for n in range(1, 5001)])])
    assert (len(page.table), page.table[1][0], page.table[-1][0]) == (1001, "4001", "5000")
    assert page.texts["caption"] == ["The last 1,000 of 5,000; all of them are in rounds.csv"]


def test_facts_captions_and_lead_are_there(tmp_path: Path):
    facts = [Fact("devices", "30 in 2 processes"), Fact("weights", "13,706")]
    page = render(
        tmp_path, facts=facts, sections=[Section("One", "Words.", [Plot("What it shows.", "<svg/>")])], lead="It ended."
    )
    assert page.texts["dt"] == ["devices", "weights"]
    assert page.texts["dd"] == ["30 in 2 processes", "13,706"]
    assert page.texts["figcaption"] == ["What it shows."]
    assert page.texts["p"] == ["It ended.", "Words."]
    assert page.texts["h2"] == ["One"]
    assert page.loads == ["#section-1"]
    assert page.texts["title"] == page.texts["h1"] == ["A title"]


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}&amp;"])
def test_hostile_text_is_shown_and_not_run(tmp_path: Path, hostile: str):
    rows = [RoundRow(1, 2.0, {hostile: 0.5}, 4, 2, 1000, 2300, 2.0)]
    table = Table(hostile, [hostile], [[hostile]])
    sections = [rounds_section(rows), Section(hostile, hostile, [Plot(hostile, "<svg></svg>")], [table], hostile)]
    page = render(tmp_path, title=hostile, lead=hostile, facts=[Fact(hostile, hostile)], sections=sections)
    assert not {"script", "img"} & set(page.tags)
    assert page.handlers == []
    assert page.remote == []
    for tag in ("title", "h1", "dt", "dd", "figcaption", "caption", "pre"):
        assert "".join(page.texts[tag]).strip() == hostile
    assert page.table[0][2] == f"held-out {hostile}"
    assert page.table[-1] == [hostile]


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</text><image href='http://x.test/'/>", "$x_$", "a$b"]
)
def test_a_hostile_metric_name_does_not_break_out_of_a_plot(tmp_path: Path, hostile: str):
    rows = [RoundRow(1, 2.0, {hostile: 0.5}, 4, 2, 1000, 2300, 2.0)]
    plots = [
        Plot("", learning_plot(rows, metric=hostile, target=0.5)),
        Plot("", fairness_plot(np.ones(3), np.ones(1), metric=hostile)),
    ]
    page = render(tmp_path, sections=[Section("", plots=plots)])
    assert len(svgs(page.source)) == 2
    assert all(any(hostile in text for text in svg_texts(svg)) for svg in svgs(page.source))
    assert "script" not in page.tags
    assert page.remote == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_plot_is_in_the_page_and_nothing_is_loaded(tmp_path: Path, count: int):
    page = render(tmp_path, sections=[every_plot(ROWS[:count]), rounds_section(ROWS[:count])])
    assert page.tags.count("svg") == len(svgs(page.source)) == 5
    assert len(page.table) == 1 + count
    assert page.loads, "plots refer to their own parts"
    assert page.remote == []
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)


def test_the_page_is_the_same_for_the_same_rounds(tmp_path: Path):
    pages = [render(tmp_path, sections=[every_plot(ROWS)]).source for _ in range(2)]
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
