"""What a client of Flower costs before it has any work: installed size, time to import, memory.

    python -m benchmarks.device.peer [--folder FOLDER]

Flower comes from the package index into a virtual environment in FOLDER, as its documentation says: `pip install flwr`.
Nothing else is in it, so no ML runtime. The client is `flower-supernode`, the supported way, connected to a
`flower-superlink` that has no run for it; what processes it starts count as well. Measured as `benchmarks.device`
measures its own: the files of the packages, the least processor time of an import, the largest PSS.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.aggregator.peer.sides import flower_environment, free_port, start, wait_for_port
from benchmarks.device.base_install import installed_bytes
from benchmarks.device.costs import import_seconds, pss_bytes
from benchmarks.measuring import ratios
from benchmarks.measuring.peer_environment import DEFAULT_FOLDER, CannotInstallError, flower_python

_SETTLES_S = 15.0
_READINGS = 20


def waiting_bytes(python: Path, folder: Path) -> tuple[int, int]:
    """PSS of a client that waits, the largest of some readings, and of how many processes."""
    environment = flower_environment(python, folder)
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        port, output = free_port(), {"stdout": log, "stderr": log, "env": environment}
        link = start([f"{python.parent}/flower-superlink", "--insecure", "--port", str(port)], stack, **output)
        wait_for_port(port, link)
        own = ["--superlink", f"127.0.0.1:{port}", "--port", str(free_port())]
        node = start([f"{python.parent}/flower-supernode", "--insecure", *own], stack, **output)
        time.sleep(_SETTLES_S)
        if node.poll() is not None:
            sys.exit(f"flower-supernode ended: {(folder / 'log').read_text()[-500:]}")
        found = [_together(node) for _ in range(_READINGS)]
    return max(found)


def _together(process: psutil.Process) -> tuple[int, int]:
    family = [process, *process.children(recursive=True)]
    time.sleep(0.1)
    return sum(pss_bytes(one.pid) for one in family), len(family)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="of the environment (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=15, help="of the import (default: %(default)s)")
    options = parser.parse_args()
    try:
        python, what = flower_python(options.folder)
    except CannotInstallError as error:
        sys.exit(f"Flower cannot be installed here: {error}")
    print(f"{what}; {ratios.machine()}")
    print(f"installed: {sum(installed_bytes(python).values()) / 1e6:.0f} MB")
    spent = import_seconds(python, "from flwr.clientapp import ClientApp", options.turns)
    print(f"from flwr.clientapp import ClientApp: {spent:.2f} s of processor time")
    with tempfile.TemporaryDirectory(prefix="fieldfare-peer-device-") as folder:
        size, count = waiting_bytes(python, Path(folder))
    print(f"memory of a client that waits for its first work: {size / 1e6:.0f} MB in {count} processes")


if __name__ == "__main__":
    main()
