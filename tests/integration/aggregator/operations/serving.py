"""A real `fieldfare serve` in a process of its own."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import FIELDFARE

SERVE = (*FIELDFARE, "serve")
FREE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--come-back-s", "0.1")


@dataclass
class Serving:
    """Where it listens, and its process; its output is read line by line, its log is in a file."""

    process: "subprocess.Popen[str]"
    address: str
    admin_address: str
    log: Path


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Serving]:
    """Run it on `folder/state`; it is killed if it still runs at the end."""
    log = folder / "log"
    with log.open("a") as errors:
        command = [*SERVE, "--state", str(folder / "state"), *FREE, *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        found = [re.search(r"127\.0\.0\.1:\d+", process.stdout.readline()) for _ in range(2)]
        assert all(found), log.read_text()
        yield Serving(process, *(one.group() for one in found if one), log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
