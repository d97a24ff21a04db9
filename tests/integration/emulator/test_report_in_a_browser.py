"""The reports of an emulation and of a sweep, as a real browser shows them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.emulator.emulation import write_results
from fieldfare.emulator.emulation.results import write_tables
from fieldfare.emulator.sweep import Axis, SweepRun, run_sweep, sweep_from_mapping
from tests.support.browser import Browser, browser
from tests.support.made_run import SCENARIO, made_run
from tests.unit.emulator.page import Page

__all__ = ["browser"]

SECTIONS = [
    "What the model learnt, and what it took", "Fairness", "Who took part", "Who dropped out, and why",
    "When devices are available", "How long it took a device", "What it cost", "Single rounds",
    "What the devices hold", "Rounds", "Scenario", "Versions",
]  # fmt: skip
BLUE, DARK_BLUE = (0x2F, 0x66, 0x90), (0x6B, 0xA6, 0xD6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with everything that there can be."""
    folder = tmp_path_factory.mktemp("whole")
    run = made_run(folder)
    write_results(folder, run.scenario, run.outcome)
    return folder / "report.html"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep over two learning rates and two seeds."""
    folder = tmp_path_factory.mktemp("compared")
    axes = [Axis("task.local.learning_rate", (0.05, 0.1)), Axis("seed", (1, 2))]

    def run_one(run: SweepRun, own: Path, _resume: bool) -> Any:
        made = made_run(own, rounds=6, seed=run.scenario.settings.seed)
        write_tables(own, run.scenario, made.outcome)
        return made.outcome

    run_sweep(sweep_from_mapping(SCENARIO, axes), folder, run_one)
    return folder / "report.html"


def has(picture: "np.ndarray[Any, Any]", color: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - color).max(axis=2) <= 2).any())


def test_every_section_is_there_with_its_plots_named(whole: Path, browser: Browser) -> None:
    page = Page(browser.document(whole))
    assert page.texts["h2"] == SECTIONS
    assert page.tags.count("svg") == 8 + 1 + 1 + 1 + 2 + 1 + 4 + 2
    assert page.source.count('role="img" aria-label="') == page.tags.count("svg")
    assert page.remote == []
    assert "script" not in page.tags
    cells = {row[0]: row[1:] for row in page.table}
    assert cells["devices of the fleet"][0] == "60"
    assert cells["never asked: its memory is too small"] == ["3", "5.0 %"]
    assert ["refused", "a value of the update is beyond the task's bound of 256"] in [row[:2] for row in page.table]


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(whole: Path, compared: Path, browser: Browser, width: int) -> None:
    assert browser.overflow(whole, width=width) <= 0
    assert browser.overflow(compared, width=width) <= 0


def test_what_is_wider_is_found(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "page.html").write_text('<body style="margin:0"><div style="width:1500px">x</div></body>')
    assert browser.overflow(tmp_path / "page.html", width=1280) == 220


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (1280, True)])
def test_the_picture_shows_the_plots(whole: Path, browser: Browser, width: int, dark: bool) -> None:
    picture = browser.picture(whole, width=width, height=2600, dark=dark)
    assert picture.shape == (2600, width, 3)
    assert has(picture, DARK_BLUE if dark else BLUE)
    assert not has(picture, BLUE if dark else DARK_BLUE)
    paper = picture[5, 5].astype(int)
    assert (paper.max() < 60) == dark
    # Every tenth of the page's height shows something.
    assert all((np.abs(part.astype(int) - paper).max(axis=2) > 40).any() for part in np.array_split(picture, 10))


def test_a_sweep_is_compared(compared: Path, browser: Browser) -> None:
    page = Page(browser.document(compared))
    assert page.texts["h1"] == ["Fieldfare: emulated, compared"]
    assert {"learning_rate=0.05", "learning_rate=0.1"} <= {row[0] for row in page.table}
    picture = browser.picture(compared, width=1280, height=1600)
    assert has(picture, BLUE)
    assert has(picture, (0xD1, 0x49, 0x5B))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"rounds": 0}, ["No round has been committed.", "No device has been evaluated.", "Nothing was asked of any"]),
        ({"rounds": 2, "evaluated": False, "energy": False}, ["No evaluation has measured this."]),
    ],
    ids=["no round", "no evaluation"],
)
def test_what_is_empty_says_so(tmp_path: Path, browser: Browser, made: dict[str, Any], words: list[str]) -> None:
    run = made_run(tmp_path, **made)
    stopped = replace(run.outcome, ended=False, stopped=KeyboardInterrupt())
    write_results(tmp_path, run.scenario, stopped)
    source = browser.document(tmp_path / "report.html")
    assert Page(source).texts["h2"] == SECTIONS
    assert "interrupted; what was done until then is here" in source
    for one in words:
        assert one in source
    assert browser.overflow(tmp_path / "report.html", width=400) <= 0
