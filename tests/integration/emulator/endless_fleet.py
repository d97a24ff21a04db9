"""A fleet of six devices that nobody answers, for tests of its processes. Needs no TensorFlow, so it starts quickly.

It ends at SIGUSR1, at Ctrl-C (exit status 130), or when a worker is lost (exit status 1). With the word "broken" as its
second argument one device has no store.
"""

import signal
import sys
import threading
from pathlib import Path

from fieldfare.core.command import Console
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator import Fleet, VirtualDevice
from fieldfare.emulator.fleet import FleetError
from fieldfare.sdk import ExampleStore

SPECS = (TensorSpec("x", "float32", (1,)), TensorSpec("y", "float32", (1,)))


def main(folder: Path, console: Console, *, broken: bool) -> int:
    over = threading.Event()
    signal.signal(signal.SIGUSR1, lambda _signal, _frame: over.set())
    devices = []
    for index in range(6):
        own = folder / str(index)
        own.mkdir()
        ExampleStore.create(own / "examples.db", SPECS).close()
        devices.append(VirtualDevice(own, own / "examples.db", index))
    if broken:
        devices[3].store.unlink()
    try:
        with Fleet(devices, aggregator="127.0.0.1:1", population="p", processes=3, log=folder / "log") as fleet:
            console.say("started")
            while not over.wait(0.05):
                fleet.check()
    except FleetError as error:
        console.say(f"lost: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    console.say("closed")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Console(sys.stdout, sys.stderr), broken="broken" in sys.argv[2:]))
