"""What processes cost: processor time and memory, read from the operating system."""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

import psutil


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all that they started and that still run."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(pid)
            found |= {one.pid: one for one in (top, *top.children(recursive=True))}
    return list(found.values())


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes' families, children that have ended and been waited for included."""
    total = 0.0
    for process in family(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def pss_bytes(pids: Iterable[int]) -> int:
    """Proportional set size of the processes' families: a page that several share counts once in all."""
    total = 0
    for process in family(pids):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += sum(int(kb) for kb in re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)) * 1024
    return total


def rss_bytes(pid: int) -> int:
    """Resident size of one process."""
    return int(psutil.Process(pid).memory_info().rss)


def end(process: "psutil.Popen", patience_s: float = 10.0) -> None:
    """End a process that we started, and what it started."""
    members = family([process.pid])
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    _, alive = psutil.wait_procs([process], timeout=patience_s)
    for one in (*alive, *members):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(patience_s)
