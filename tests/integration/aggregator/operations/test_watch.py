"""`fieldfare task show --watch` on a terminal of its own, and what else a person asks of a task."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.aggregator.commands.watching._history import History, duration_text, means, trend
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskAction, TaskSpec
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.fleet import INVALID, Device, connect, send_damaged
from tests.integration.aggregator.test_commands import fieldfare
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN

# The first lines make the terminal the one from which Ctrl-C comes, and hear it: what a script puts into the background
# ignores it, and children inherit that.
PROGRAM = """
import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
from fieldfare.core.command import main; raise SystemExit(main())
"""
FIELDFARE = [sys.executable, "-c", PROGRAM]
START = np.array([1, 2, 3], np.float32)
COHORT = CohortSpec(2, 2, 2.0)
SPEC = TaskSpec("first", "p", rounds=2, training=COHORT, evaluation=COHORT, evaluate_every=1)
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


class Terminal:
    """A program on a pseudo-terminal of 100 columns and 40 lines."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [*FIELDFARE, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._raw = ""

    @property
    def text(self) -> str:
        """All that was drawn, without colours and movements."""
        return _ESCAPES.sub("", self._raw).replace("\r", "")

    def until(self, words: str, seconds: float = 60) -> str:
        """Read until a picture holds this; or to the end, where `words` is empty."""
        while not words or words not in self.text:
            ready, _, _ = select.select([self._master], [], [], seconds)
            assert ready, f"{words!r} is not in {self.text[-2000:]!r}"
            try:
                data = os.read(self._master, 65536)
            except OSError:
                # What Linux says when the other end is closed.
                assert not words, self.text[-2000:]
                break
            self._raw += data.decode(errors="replace")
        return self.text

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def watching(admin: str, task: str = "first") -> Iterator[Terminal]:
    terminal = Terminal("task", "show", task, "--watch", "--admin", admin)
    try:
        yield terminal
    finally:
        terminal.close()


def one_round(devices: list[Device]) -> None:
    for device in devices:
        device.wait_for_work()
    for device in devices:
        device.report()


def test_a_task_is_watched_to_its_end(tmp_path: Path) -> None:
    with (
        Aggregator(tmp_path / "state", settings=SETTINGS) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        admin.submit(PLAN, replace(SPEC, rounds=3), weights=START)
        devices = [Device(index, connect(aggregator.address)) for index in range(3)]
        with watching(aggregator.admin_address) as terminal:
            terminal.until("0 of 2 reports, 0 asked")
            bad = devices[2]
            bad.wait_for_work()
            assert send_damaged(bad).status == INVALID
            terminal.until("1 refused (digest 1)")
            one_round(devices[:2])
            terminal.until("1 of 3")
            for _ in range(2):
                one_round(devices[:2])
            terminal.until("2 of 3, about")
            for _ in range(3):
                one_round(devices[:2])
            text = terminal.until("")
            assert terminal.process.wait(30) == 0
        assert "first  p  fedavg  running" in text
        assert re.search(r"loss +0\.5 +▄+ +held out", text)
        assert re.search(r"1  training    committed +2/3 +1 +0", text)
        assert text.rstrip().endswith("first completed: 3 rounds done; checkpoint version 3")
        status, text = fieldfare("task", "refusals", "first", "--admin", aggregator.admin_address)
        assert (status, text.split()) == (0, ["reason", "reports", "last", "in", "round", "digest", "1", "1"])
        status, text = fieldfare("task", "rounds", "first", "--last", "1", "--admin", aggregator.admin_address)
        assert status == 0
        assert [line.split()[0] for line in text.splitlines()] == ["round", "6"]


def test_ctrl_c_leaves_and_the_task_goes_on(tmp_path: Path) -> None:
    with (
        Aggregator(tmp_path / "state", settings=SETTINGS) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        admin.submit(PLAN, SPEC, weights=START)
        with watching(aggregator.admin_address) as terminal:
            terminal.until("Ctrl-C leaves this view")
            terminal.type(b"\x03")
            text = terminal.until("")
            assert terminal.process.wait(30) == 130
        assert text.rstrip().endswith("no longer watching; the task goes on")
        assert "Traceback" not in text
        assert admin.show("first").state == task_pb2.TASK_STATE_RUNNING


def test_an_aggregator_that_is_restarted_is_asked_again(tmp_path: Path) -> None:
    aggregator = Aggregator(tmp_path / "state", settings=SETTINGS)
    aggregator.start()
    where = aggregator.admin_address
    with AdminClient(where) as admin:
        admin.submit(PLAN, SPEC, weights=START)
    with watching(where) as terminal:
        terminal.until("0 of 2 reports")
        aggregator.close()
        terminal.until("trying again")
        with Aggregator(tmp_path / "state", admin_listen=where, settings=SETTINGS), AdminClient(where) as admin:
            admin.control("first", TaskAction.CANCEL)
            text = terminal.until("")
            assert terminal.process.wait(60) == 1
    assert text.rstrip().endswith("first cancelled: by hand; checkpoint version 0")


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    spec = replace(SPEC, rounds=1, evaluate_every=0, aggregation=AggregationSpec(min_snapshot_updates=2))
    with (
        Aggregator(tmp_path / "state", settings=SETTINGS) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        admin.submit(PLAN, spec, weights=START)
        one_round([Device(index, connect(aggregator.address)) for index in range(2)])
        status, text = fieldfare("task", "show", "first", "--watch", "--admin", aggregator.admin_address)
    assert status == 0
    first, last = text.splitlines()
    assert re.fullmatch(r"round   1 training   committed devices 2/2  loss 0.5  up 24 B down 0 B", first)
    assert last == "first completed: 1 rounds done; checkpoint version 1"
    assert "\x1b" not in text


def test_flags_of_a_submission(tmp_path: Path) -> None:
    plan = tmp_path / "plan.tflite"
    plan.write_bytes(PLAN)
    with (
        Aggregator(tmp_path / "state", settings=SETTINGS) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        weights = tmp_path / "start.weights"
        admin.submit(PLAN, replace(SPEC, name="other"), weights=START)
        weights.write_bytes(admin.fetch(admin.show("other").checkpoint))
        flags = (
            "--name d --population p --draft --algorithm fedadam --combiner mean --min-separation 1d --goal 4 "
            "--report-timeout 5min --over-selection 1.5 --min-snapshot-updates 2 --clip-norm 3 --max-norm 9 "
            "--encoding float16 --kind training"
        )
        connection = ("--admin", aggregator.admin_address)
        status, text = fieldfare("task", "submit", plan, "--weights", weights, *flags.split(), *connection)
        assert status == 0, text
        found = admin.show("d")
        assert found.state == task_pb2.TASK_STATE_DRAFT
        assert found.spec.aggregation.algorithm == task_pb2.ALGORITHM_FEDADAM
        assert found.spec.eligibility.min_separation.ToTimedelta().days == 1
        assert found.spec.training.report_timeout.ToSeconds() == 300
        assert (found.spec.aggregation.clip_norm, found.spec.aggregation.max_norm) == (3, 9)
        assert found.spec.encoding.stages[0].WhichOneof("stage") == "float16"
        assert fieldfare("task", "refusals", "d", *connection) == (0, "no report was refused\n")
        status, text = fieldfare("task", "start", "d", *connection)
        assert (status, text) == (0, "task d is running\n")
        status, text = fieldfare("task", "submit", plan, "--name", "e", "--population", "p", "--min-separation", "3")
        assert status == 2
        assert "--min-separation: must be a duration with its unit" in text


def test_figures_by_hand() -> None:
    assert trend([0.0, 1.0, 0.5]) == "▁█▅"
    assert trend([2.0, 2.0]) == "▄▄"
    assert trend(list(range(100)), width=3) == "▁▅█"
    assert [duration_text(one) for one in (3.4, 99, 120, 3599, 3600, 5400, 7199)] == [
        "3 s",
        "99 s",
        "2 min",
        "1 h 0 min",
        "1 h 0 min",
        "1 h 30 min",
        "2 h 0 min",
    ]
    history = History()
    rounds = []
    for number in range(1, 4):
        one = task_pb2.RoundStatus(
            number=number,
            kind=task_pb2.ROUND_KIND_TRAINING,
            state=task_pb2.ROUND_STATE_COMMITTED,
            reported=10,
            bytes_up=1000,
        )
        one.started_at.FromSeconds(60 * (number - 1))
        one.ended_at.FromSeconds(60 * number)
        one.metrics.add(name="loss", sum=number, weight=2)
        rounds.append(one)
    open_round = task_pb2.RoundStatus(number=4, state=task_pb2.ROUND_STATE_COLLECTING)
    assert history.seconds_a_round(task_pb2.ROUND_KIND_TRAINING) is None
    assert history.add([*rounds, open_round]) == rounds
    assert history.add([open_round]) == []
    assert history.settled == 3
    assert history.open == [open_round]
    assert history.seconds_a_round(task_pb2.ROUND_KIND_TRAINING) == 60
    assert history.per_minute() == (10, 1000)
    assert means(rounds) == {"loss": [0.5, 1.0, 1.5]}
