import io

import pytest
from rich.cells import cell_len

from fieldfare.emulator.progress import ProgressDisplay
from fieldfare.protos.v1 import task_pb2
from tests.unit.emulator.rounds import (
    COLLECTING,
    COMPLETED,
    EVALUATION,
    RUNNING,
    TRAINING,
    evaluated,
    round_status,
    trained,
)

FIRST = [trained(0, loss=2.0, at=0, until=1.5), evaluated(1, accuracy=0.25, at=1.5, until=2.0)]
SECOND = [trained(1, loss=1.0, at=2.0, until=2.75), evaluated(2, accuracy=0.75, at=2.75, until=3.0)]
LINE_1 = "round 1/9  loss 2.0000  held-out accuracy 0.2500  devices 4 in, 2 out  1 kB up, 2 kB down  2.0 s\n"
LINE_2 = "round 2/9  loss 1.0000  held-out accuracy 0.7500  devices 4 in, 2 out  1 kB up, 2 kB down  1.0 s\n"
UNMEASURED_2 = "round 2/9  loss 1.0000  held-out accuracy -  devices 4 in, 2 out  1 kB up, 2 kB down  0.8 s\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")


pytestmark = pytest.mark.usefixtures("_plain_environment")


def status(rounds, state=RUNNING, reason="") -> task_pb2.TaskStatus:
    return task_pb2.TaskStatus(state=state, rounds=rounds, reason=reason)


def shown(*updates: task_pb2.TaskStatus, out: io.StringIO | None = None, metric: str = "accuracy") -> str:
    out = out or io.StringIO()
    with ProgressDisplay(out, metric=metric, rounds=9) as display:
        for update in updates:
            display.update(update)
    return out.getvalue()


def test_nothing_is_said_before_a_round_is_done():
    assert shown(status([]), status([round_status(TRAINING, COLLECTING, 0)])) == ""


def test_each_round_is_one_line_said_once():
    evaluating = [*FIRST, SECOND[0], round_status(EVALUATION, COLLECTING, 2)]
    updates = [
        status(FIRST[:1]),
        status(FIRST),
        status(FIRST),
        status(evaluating),
        status(evaluating),
        status([*FIRST, *SECOND]),
        status([*FIRST, *SECOND], COMPLETED),
    ]
    assert shown(*updates) == LINE_1 + LINE_2


def test_a_line_waits_for_its_evaluation():
    assert shown(status(FIRST[:1])) == ""
    assert shown(status([*FIRST, SECOND[0]])) == LINE_1


def test_a_line_does_not_wait_once_the_task_has_ended():
    updates = [status([*FIRST, SECOND[0]]), status([*FIRST, SECOND[0]], COMPLETED, "2 rounds done")]
    assert shown(*updates) == LINE_1 + UNMEASURED_2


def test_a_line_does_not_wait_once_the_next_round_is_done():
    third = trained(2, loss=0.5, at=2.75, until=3.0)
    assert shown(status([*FIRST, SECOND[0], third])) == LINE_1 + UNMEASURED_2


def test_all_rounds_of_a_first_late_update_are_told():
    assert shown(status([*FIRST, *SECOND])) == LINE_1 + LINE_2


def test_a_metric_that_looks_like_markup_is_shown_as_it_is():
    assert "held-out [bold]:smile: -" in shown(status(FIRST), metric="[bold]:smile:")


def test_a_long_line_is_not_wrapped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert shown(status(FIRST)) == LINE_1


def test_a_terminal_gets_a_table_and_what_the_open_round_does():
    training = round_status(TRAINING, COLLECTING, 2, assigned=6, reported=3)
    text = shown(status(FIRST), status([*FIRST, *SECOND, training]), out=Terminal())
    assert "\x1b[" in text
    for expected in ("held-out accuracy", "1/9", "2.0000", "0.2500", "2/9", "1.0000", "0.7500"):
        assert expected in text
    assert "training: 3 of 6 devices reported" in text


def test_a_terminal_is_told_of_an_evaluation_and_of_the_end():
    evaluation = round_status(EVALUATION, COLLECTING, 1, assigned=8, reported=5)
    text = shown(status([FIRST[0], evaluation]), status(FIRST, COMPLETED, "1 rounds done"), out=Terminal())
    assert "evaluation: 5 of 8 devices reported" in text
    assert "1 rounds done" in text


def test_a_terminal_shows_the_newest_rounds():
    rounds = [trained(number, loss=1.0, at=number, until=number + 1) for number in range(20)]
    text = shown(status(rounds, COMPLETED, "over"), out=Terminal())
    assert "20/9" in text
    assert " 6/9" in text
    assert " 5/9" not in text


@pytest.mark.parametrize("width", [80, 100])
def test_a_table_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    text = shown(status([*FIRST, *SECOND], COMPLETED, "over"), out=Terminal())
    rows = [line for line in text.splitlines() if "2/9" in line]
    assert rows
    assert all(cell_len(line) <= width + 10 for line in rows)


def test_a_terminal_without_rounds():
    assert "held-out accuracy" in shown(status([], COMPLETED, "cancelled"), out=Terminal())
