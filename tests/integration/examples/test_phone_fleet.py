"""The profile "phones" against the measurements that it was fitted to."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.phone_fleet import extrasensory, fit_cellular, fit_circadian, fit_models
from fieldfare.core.errors import DataError
from fieldfare.emulator.devices import availability_by_hour, draw_behaviour
from fieldfare.emulator.devices.profiles import CELLULAR_NETWORKS, PHONE_DAYS, PHONE_MODELS
from fieldfare.emulator.scenario import ConditionSettings, FleetSettings, TraceSettings

DATA = Path(os.environ.get("FIELDFARE_DATA", "../shared/data"))
FILES = (fit_models.FILE_NAME, fit_models.TIMES_NAME, fit_cellular.FILE_NAME, extrasensory.FILE_NAME)
MISSING = [name for name in FILES if not (DATA / name).is_file()]
needs_data = pytest.mark.skipif(bool(MISSING), reason=f"{DATA} has no {', '.join(MISSING)}: set FIELDFARE_DATA")


@needs_data
def test_the_built_in_numbers_are_those_that_are_fitted() -> None:
    assert fit_models.fit_phone_models(DATA / fit_models.FILE_NAME) == PHONE_MODELS
    assert fit_cellular.fit_cellular(DATA / fit_cellular.FILE_NAME) == CELLULAR_NETWORKS
    assert fit_circadian.fit_circadian(DATA / extrasensory.FILE_NAME) == PHONE_DAYS


@needs_data
def test_scores_tell_how_fast_phones_train() -> None:
    ratios = fit_models.training_ratios(DATA / fit_models.FILE_NAME, DATA / fit_models.TIMES_NAME)
    score = ratios.pop("floating-point score")
    assert len(ratios) == 3
    assert all(0.7 * score < ratio < 1.2 * score for ratio in ratios.values())


@needs_data
def test_drawn_weeks_look_like_those_that_were_recorded() -> None:
    found = fit_circadian.compare(DATA / extrasensory.FILE_NAME, PHONE_DAYS)
    recorded, drawn = found.windows
    assert drawn == pytest.approx(recorded, rel=0.1)
    recorded, drawn = found.together
    assert np.corrcoef(drawn, recorded)[0, 1] > 0.95
    assert drawn == pytest.approx(recorded, abs=0.1)


@needs_data
def test_a_trace_is_made_of_the_records(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "examples.phone_fleet.states", str(DATA / extrasensory.FILE_NAME)],
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "states.csv").write_text(made.stdout)
    traces = TraceSettings(states=tmp_path / "states.csv")
    fleet = draw_behaviour(FleetSettings(traces=traces, conditions=ConditionSettings(on_power=True)), 26, seed=1)
    by_hour = availability_by_hour(fleet.availability).mean(axis=0)
    assert by_hour[3] > 0.3 > by_hour[9]
    assert len({line.partition(",")[0] for line in made.stdout.splitlines()[1:]}) == 26


def test_files_that_are_not_there_or_others_are_one_line(tmp_path: Path) -> None:
    for fit, name in (
        (fit_models.fit_phone_models, fit_models.FILE_NAME),
        (fit_cellular.fit_cellular, fit_cellular.FILE_NAME),
        (fit_circadian.fit_circadian, extrasensory.FILE_NAME),
    ):
        with pytest.raises(DataError, match="cannot read"):
            fit(tmp_path / name)
        (tmp_path / name).write_bytes(b"other\n1\n")
        with pytest.raises(DataError, match=r"cannot read|is not"):
            fit(tmp_path / name)
    command = [sys.executable, "-m", "examples.phone_fleet.fit", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
