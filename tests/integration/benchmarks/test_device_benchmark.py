"""The parts of the device's benchmark; the whole installs packages and takes minutes."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from benchmarks.device.base_install import installed_bytes
from benchmarks.device.costs import Memory, import_seconds, pss_bytes
from benchmarks.measuring.ratios import Goal, settle

HOLD = """
import sys
print("up", flush=True)
sys.stdin.readline()
held = bytearray(b"x" * 40_000_000)
print("holds", flush=True)
sys.stdin.readline()
"""


def test_importing_costs_what_it_costs() -> None:
    nothing = import_seconds(Path(sys.executable), "pass", 3)
    assert import_seconds(Path(sys.executable), "sum(range(6_000_000))", 3) > max(nothing, 0.03)


def test_the_peak_of_a_process_is_seen() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = pss_bytes(process.pid)
        watched = Memory(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        while pss_bytes(process.pid) < before + 39_000_000 or watched.peak < before + 39_000_000:
            os.sched_yield()
        assert before + 39_000_000 <= watched.end() < before + 100_000_000
        process.communicate("\n")


def test_packages_are_summed_up(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in (
        ("numpy/a.so", 10),
        ("numpy.libs/b.so", 20),
        ("numpy-2.4.dist-info/RECORD", 3),
        ("typing_extensions.py", 5),
        ("pip/big", 1000),
        ("setuptools/big", 1000),
    ):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(bytes(size))
    assert installed_bytes(tmp_path / "bin" / "python") == {"numpy": 33, "typing_extensions": 5}


def test_its_figures_have_a_file_of_their_own(tmp_path: Path) -> None:
    kept = tmp_path / "device.json"
    settle("device", {"x": Goal(1.0, 2.0, at_most=True)}, Namespace(store=True, check=False), "here", path=kept)
    assert '"x": 1.0' in kept.read_text()
