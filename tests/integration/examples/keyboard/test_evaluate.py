"""The experiment in its short form, over real gRPC and LiteRT: every stage, and what must not change the weights."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("keras")

from examples.keyboard.app.keyboard import PLAN, VOCABULARY
from examples.keyboard.evaluate import FILE, main, table
from examples.keyboard.experiment.measure import Recall
from examples.keyboard.experiment.settings import Settings, short
from examples.keyboard.experiment.stages import FEDERATED_WEIGHTS, FIRST_PLAN, STAGES, Experiment, open_experiment
from examples.keyboard.words import Vocabulary
from fieldfare.core.plans import PlanRuntime

DATA = Path(os.environ.get("FIELDFARE_DATA", "../shared/data")) / FILE
pytestmark = [
    pytest.mark.skipif(not DATA.is_file(), reason=f"{DATA} is not there: set FIELDFARE_DATA"),
    pytest.mark.slow,
]


def opened(output: Path, settings: Settings, *, resume: bool = False) -> Experiment:
    return open_experiment(output, DATA, settings, seed=1, resume=resume, say=print)


def test_every_stage_and_the_same_weights_however_they_are_run(tmp_path: Path) -> None:
    settings = short(1, processes=2)
    at_once = opened(tmp_path / "at_once", settings)
    for stage in STAGES.values():
        stage(at_once)
    measured = {
        "untrained": Recall(**at_once.read("baselines")["untrained"]),
        "frequent": Recall(**at_once.read("baselines")["frequent"]),
        "federated": Recall(**at_once.read("federated")["recall"]),
        "central": Recall(**at_once.read("central")["recall"]),
        "personal": Recall(**at_once.read("personal")["own"]),
    }
    assert len({one.words for one in measured.values()}) == 1
    assert measured["untrained"].words > 10_000
    assert measured["federated"].among_three > measured["untrained"].among_three
    assert measured["central"].among_three > measured["untrained"].among_three
    # The device's runtime and Keras start from one model, and the personal stage from the federated one.
    assert at_once.read("personal")["shared"] == at_once.read("federated")["recall"]
    personal = at_once.read("personal")
    assert 0 <= personal["kept"] <= personal["trained"] == 12
    done = at_once.read("federated")
    assert done["rounds"] == 5
    assert done["participations"] == done["rounds"] * settings.federated.cohort
    assert done["bytes_up"] > done["participations"] * 4 * 400 * settings.width
    assert [line.split(" | ")[0] for line in table(at_once).splitlines()[2:]] == [
        "| untrained",
        "| most frequent words",
        "| federated",
        "| central",
        "| federated, personalised",
    ]
    # What it leaves is what the app takes.
    vocabulary = Vocabulary.read(at_once.output / VOCABULARY)
    assert PlanRuntime(at_once.output / PLAN).manifest.outputs[0].spec.shape[-1] == len(vocabulary) == 400

    # In another number of processes and threads, phase by phase, with a pause in between.
    federated = replace(settings.federated, processes=1, threads=3)
    first = replace(settings, federated=replace(federated, phases=federated.phases[:1]))
    by_phase = opened(tmp_path / "by_phase", first)
    # Two exports of one model differ in some bytes, such as names: it is the plan that is given.
    (by_phase.output / FIRST_PLAN).write_bytes((at_once.output / FIRST_PLAN).read_bytes())
    STAGES["federated"](by_phase)
    STAGES["federated"](opened(by_phase.output, replace(settings, federated=federated), resume=True))
    weights = [(one.output / FEDERATED_WEIGHTS).read_bytes() for one in (at_once, by_phase)]
    assert weights[0] == weights[1]
    assert by_phase.read("federated")["participations"] == done["participations"]
    assert (by_phase.output / PLAN).read_bytes() == (at_once.output / PLAN).read_bytes()


def test_a_stage_without_the_one_before_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--data", str(DATA.parent), "--output", str(tmp_path), "--short", "--stages"]
    assert main([*asked, "personal"]) == 1
    assert "run the stage federated first" in capsys.readouterr().err
    assert main([*asked, "federated"]) == 1
    assert "run the stage baselines first" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: there is no")
