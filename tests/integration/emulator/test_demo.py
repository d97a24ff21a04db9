"""`fieldfare demo` for two rounds: what it leaves holds together. A run that was interrupted comes first."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fieldfare.core.plans import PlanRuntime
from fieldfare.emulator.demo._digits import split_digits
from fieldfare.sdk import ExampleStore, Ledger
from fieldfare.sdk.ledger import LedgerKind
from tests.integration.emulator.running import SECONDS, demo, endless_demo
from tests.support.browser import Browser, browser
from tests.unit.emulator.page import Page, svgs

DEVICES = 6
RESULTS = {"report.html", "rounds.csv", "summary.json", "plan.tflite", "global.safetensors", "model.tflite"}

__all__ = ["browser"]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    folder: Path
    status: int
    said: str
    complained: str

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.folder / "summary.json").read_text())

    @property
    def rounds(self) -> list[dict[str, str]]:
        with (self.folder / "rounds.csv").open(newline="") as lines:
            return list(csv.DictReader(lines))


def finish(folder: Path, errors: Path, *flags: str) -> Finished:
    with demo(folder, errors, *flags) as one:
        status = one.ended()
        return Finished(folder, status, one.said, one.complained)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Only the main process gets the signal, as from `kill -INT`."""
    folder = tmp_path_factory.mktemp("runs") / "demo"
    with endless_demo(folder, folder.parent / "errors") as one:
        one.wait_for("round 1/")
        one.workers(2)
        one.interrupt(group=False)
        status = one.ended(SECONDS)
        assert one.left_over() == []
        return Finished(folder, status, one.said, one.complained)


@pytest.fixture(scope="module")
def finished(interrupted: Finished) -> Finished:
    folder = interrupted.folder
    flags = ("--rounds", "2", "--target", "0.99", "--devices", str(DEVICES))
    return finish(folder, folder.parent / "errors", *flags)


def test_an_interrupted_run_says_one_line(interrupted: Finished):
    assert interrupted.status == 130
    assert interrupted.complained == "fieldfare: interrupted\n"


def test_a_target_that_is_not_reached_is_told_and_exits_with_1(finished: Finished):
    assert finished.status == 1, finished.complained
    assert finished.complained == ""
    assert "2 rounds done; target accuracy 0.99 not reached; accuracy on digits that" in finished.said
    assert finished.said.count("\nround 1/2  loss ") == finished.said.count("\nround 2/2  loss ") == 1
    for name in RESULTS:
        assert f"  {name} " in finished.said


def test_every_result_is_there_and_nothing_else(finished: Finished):
    names = {one.name for one in finished.folder.iterdir()}
    assert names == RESULTS | {"devices", "devices.log", "state", ".fieldfare-demo"}
    assert "Traceback" not in (finished.folder / "devices.log").read_text()


def test_summary_and_rounds_tell_the_same(finished: Finished):
    summary, rounds = finished.summary, finished.rounds
    assert [row["round"] for row in rounds] == ["1", "2"]
    assert summary["rounds"] == 2
    assert summary["test_examples"] == 360
    assert summary["settings"]["devices"] == DEVICES
    assert summary["outcome"] == "2 rounds done; target accuracy 0.99 not reached"
    for name in ("bytes_up", "bytes_down"):
        assert summary[name] == sum(int(row[name]) for row in rounds) > 0
    assert summary["held_out"]["accuracy"] == pytest.approx(float(rounds[-1]["held_out_accuracy"]), abs=1e-6)
    assert float(rounds[1]["train_loss"]) < float(rounds[0]["train_loss"])
    assert all(int(row["devices_in"]) >= 2 for row in rounds)
    assert f"{summary['test']['accuracy']:.4f}" in finished.said


def test_the_plan_holds_the_trained_weights_bit_for_bit(finished: Finished):
    runtime = PlanRuntime(finished.folder / "plan.tflite")
    tensors = load_file(finished.folder / "global.safetensors")
    specs = runtime.manifest.weight_specs
    assert set(tensors) == {spec.name for spec in specs}
    alone = np.concatenate([tensors[spec.name].ravel() for spec in specs])
    assert runtime.get_weights().tobytes() == alone.tobytes()
    assert len(alone) == finished.summary["model"]["weights"]


def test_the_model_runs_in_a_plain_interpreter_with_the_accuracy_that_is_stated(finished: Finished):
    from ai_edge_litert.interpreter import Interpreter

    test = split_digits(devices=DEVICES, alpha=0.5, test_share=0.2, seed=1).test
    interpreter = Interpreter(model_path=str(finished.folder / "model.tflite"))
    interpreter.allocate_tensors()
    (image,), (logits,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert image["shape"].tolist() == [1, 8, 8, 1]
    right = 0
    for pixels, label in zip(test["image"], test["label"], strict=True):
        interpreter.set_tensor(image["index"], pixels[np.newaxis])
        interpreter.invoke()
        right += int(interpreter.get_tensor(logits["index"]).argmax()) == label
    assert right / 360 == pytest.approx(finished.summary["test"]["accuracy"], abs=1e-9)
    assert right / 360 > 0.2, "it has learnt nothing"


def test_each_device_has_its_own_examples_and_a_ledger_that_verifies(finished: Finished):
    folders = sorted((finished.folder / "devices").iterdir())
    assert [one.name for one in folders] == [f"{index:02d}" for index in range(DEVICES)]
    split = split_digits(devices=DEVICES, alpha=0.5, test_share=0.2, seed=1)
    ids, updates = set(), 0
    for folder, examples in zip(folders, split.devices, strict=True):
        with ExampleStore.open(folder / "examples.db") as store:
            held = [*store.training()["label"], *store.held_out()["label"]]
            assert sorted(held) == sorted(examples["label"])
            assert store.count(held_out=True) > 0
        with Ledger.open(folder / "ledger.db", create=False) as ledger:
            assert ledger.verify() is None
            kinds = ledger.totals()
        assert {LedgerKind.CHECK_IN, LedgerKind.METRICS} <= set(kinds)
        updates += kinds[LedgerKind.UPDATE].messages if LedgerKind.UPDATE in kinds else 0
        ids.add((folder / "device_id").read_bytes())
    assert len(ids) == DEVICES
    assert updates >= sum(int(row["devices_in"]) for row in finished.rounds)


def test_the_report_stands_alone(finished: Finished):
    page = Page((finished.folder / "report.html").read_text(encoding="utf-8"))
    assert len(page.table) == 1 + 2
    assert [row[0] for row in page.table[1:]] == ["1", "2"]
    assert len(svgs(page.source)) == 8
    assert page.remote == []
    assert f"{finished.summary['test']['accuracy']:.3f}" in page.texts["dd"]


def test_a_second_run_replaces_the_first_and_a_reached_target_exits_with_0(finished: Finished, tmp_path: Path):
    folder = tmp_path / "demo"
    shutil.copytree(finished.folder, folder)
    again = finish(folder, tmp_path / "errors", "--rounds", "1", "--target", "0.01", "--devices", "2")
    assert again.status == 0, again.complained
    assert "target reached: accuracy" in again.said
    assert again.complained == ""
    assert [one.name for one in sorted((folder / "devices").iterdir())] == ["00", "01"]
    assert again.summary["settings"]["devices"] == 2
    assert again.summary["rounds"] == len(again.rounds) == 1
    assert {one.name for one in folder.iterdir()} == {one.name for one in finished.folder.iterdir()}


class TestReportInABrowser:
    def test_the_table_and_the_plots_are_in_the_page(self, finished: Finished, browser: Browser):
        page = Page(browser.document(finished.folder / "report.html"))
        assert page.table == Page((finished.folder / "report.html").read_text(encoding="utf-8")).table
        assert page.tags.count("svg") == 8
        assert page.texts["h1"] == ["Fieldfare: handwritten digits"]

    def test_the_picture_is_not_blank(self, finished: Finished, browser: Browser):
        picture = browser.picture(finished.folder / "report.html", width=1200, height=2600)
        colors = np.unique(picture.reshape(-1, 3), axis=0)
        assert picture.shape[:2] == (2600, 1200)
        assert len(colors) > 50
        for color in ((0x2F, 0x66, 0x90), (0x3A, 0x7D, 0x44)):
            assert (np.abs(colors.astype(int) - color).max(axis=1) <= 2).any(), "the plots' colours are missing"
