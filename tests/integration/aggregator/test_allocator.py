"""What the aggregator's process gives back to the system."""

import platform
import subprocess
import sys

import pytest

# Threads fill buffers of the size of an update and drop all but small ones between them, as reports do.
_SCRIPT = """
import threading
from pathlib import Path

from fieldfare.aggregator.allocator import bound_allocator

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

assert bound_allocator()
before, kept = resident(), []

def work():
    for _ in range(20):
        buffers = [bytearray(b"x") * 4_000_000 for _ in range(3)]
        kept.append(bytearray(3000))
        del buffers

threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_buffers_of_updates_go_back_to_the_system():
    grown_mb = float(subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True).stdout)
    # Without the call it is some 60 MB.
    assert grown_mb < 8
