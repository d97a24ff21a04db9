"""What a process costs: processor time to import, and memory."""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

_SAMPLE_S = 0.005


def import_seconds(python: Path, code: str, turns: int) -> float:
    """The least processor time of a process that imports, less that of one that does nothing."""

    def least(words: str) -> float:
        times = []
        for _ in range(turns):
            before = os.times()
            subprocess.run([python, "-I", "-c", words], check=True)
            after = os.times()
            times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return min(times)

    return least(code) - least("pass")


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024


class Memory:
    """The largest PSS of a process, from now to `end`."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop = pid, threading.Event()
        self.peak, self.samples = 0, 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak, self.samples = max(self.peak, pss_bytes(self._pid)), self.samples + 1
            time.sleep(_SAMPLE_S)

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.peak
