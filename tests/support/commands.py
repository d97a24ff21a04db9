"""`fieldfare` and other programs as processes of their own."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.fleet_threads import wait_until

ROOT = Path(__file__).resolve().parents[2]
FIELDFARE = (sys.executable, "-c", "from fieldfare.core.command import main; raise SystemExit(main())")


def free_port() -> int:
    """A loopback port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "FIELDFARE_TRACEBACK"}
    return kept | {"CUDA_VISIBLE_DEVICES": "-1"} | changes


def fieldfare(*argv: str | Path, cwd: Path = ROOT, within_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*FIELDFARE, *map(str, argv)]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=within_s, check=False
    )


@dataclass
class Running:
    """A process that goes on while the test does other things; its output is read as it comes."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, within_s: float = 60) -> None:
        def seen() -> bool:
            if re.search(pattern, self.text):
                return True
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.text}{self.errors}"
            return False

        wait_until(seen, f"{pattern!r} in the output", within_s=within_s)


def _read(stream: IO[str] | None, into: list[str]) -> None:
    assert stream is not None
    for line in stream:
        into.append(line)  # noqa: PERF402 - a line is there for the test as soon as it was read


@contextmanager
def started(*argv: str | Path, cwd: Path = ROOT, program: Sequence[str] = FIELDFARE) -> Iterator[Running]:
    """A `fieldfare` or other command that is killed at the block's end, if it has not ended by then."""
    command = [*program, *map(str, argv)]
    with subprocess.Popen(
        command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        running = Running(process)
        readers = [
            threading.Thread(target=_read, args=(stream, into))
            for into, stream in ((running.lines, process.stdout), (running.errors, process.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for reader in readers:
                reader.join(10)
