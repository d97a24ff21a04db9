"""Runs commands as a person does, in a process group of their own, and looks after their processes."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

DEADLINE_S = 120.0
SECONDS = 15.0
"""What "within seconds" means on a machine that is busy with other tests."""
FIELDFARE = str(Path(sys.executable).with_name("fieldfare"))


@dataclass
class Running:
    """A command whose output is read while it runs."""

    process: subprocess.Popen[str]
    errors: Path
    lines: list[str] = field(default_factory=list)
    seen: list[psutil.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    @property
    def said(self) -> str:
        """Standard output so far."""
        return "".join(self.lines)

    @property
    def complained(self) -> str:
        """Standard error so far."""
        return self.errors.read_text()

    def wait_for(self, beginning: str) -> None:
        """Read on until a line begins like that."""
        while (line := self._queue.get(timeout=DEADLINE_S)) is not None:
            self.lines.append(line)
            if line.startswith(beginning):
                return
        raise AssertionError(f"ended without {beginning!r}: {self.said}{self.complained}")

    def workers(self, count: int) -> list[psutil.Process]:
        """Its worker processes, once all of them are there."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            children = psutil.Process(self.process.pid).children(recursive=True)
            workers = [one for one in children if _is_worker(one)]
            if len(workers) == count:
                self.seen = children
                return workers
        raise AssertionError(f"no {count} workers: {self.said}{self.complained}")

    def interrupt(self, *, group: bool) -> None:
        """Ctrl-C: a terminal sends it to the whole group, `kill -INT` to one process."""
        if group:
            os.killpg(self.process.pid, signal.SIGINT)
        else:
            self.process.send_signal(signal.SIGINT)

    def ended(self, timeout: float = DEADLINE_S) -> int:
        """Its exit status."""
        status = self.process.wait(timeout)
        while (line := self._queue.get(timeout=DEADLINE_S)) is not None:
            self.lines.append(line)
        return status

    def left_over(self) -> list[psutil.Process]:
        """Which of the processes that `workers` saw do not end within seconds."""
        _, alive = psutil.wait_procs(self.seen, timeout=SECONDS)
        return alive


@contextmanager
def running(argv: Sequence[str | Path], errors: Path) -> Iterator[Running]:
    """Start it, so that Ctrl-C ends it; kill whatever of it is left in the end."""
    with errors.open("w") as err, interrupts_obeyed():
        process = subprocess.Popen(
            [str(one) for one in argv], stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True
        )
    one = Running(process, errors)
    try:
        yield one
    finally:
        for left in (process, *one.seen):
            try:
                left.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def interrupts_obeyed() -> Iterator[None]:
    """What is started inside obeys Ctrl-C, as in a terminal.

    A shell lets the jobs that a script puts into the background ignore it, and children inherit that: were the tests
    such a job, no interrupt would reach what they start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def demo(output: Path, errors: Path, *flags: str):
    """`fieldfare demo`."""
    return running([FIELDFARE, "demo", "--output", output, *flags], errors)


def endless_demo(output: Path, errors: Path):
    """One that does not end by itself while a test looks."""
    return demo(output, errors, "--devices", "6", "--rounds", "1000", "--target", "1")


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "multiprocessing.spawn" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
