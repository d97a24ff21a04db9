"""A fleet of six devices that nobody answers, for tests of its processes. Needs no TensorFlow, so it starts quickly.

It ends at SIGUSR1, at Ctrl-C (exit status 130), or when a worker is lost (exit status 1). With the word "broken" as its
second argument one device has no store; with "interrupted" there is a Ctrl-C while the first worker is being started.
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

PROCESSES = 3
SPECS = (TensorSpec("x", "float32", (1,)), TensorSpec("y", "float32", (1,)))


class InterruptingPath:
    """A path that tells when it is sent to a worker; just then Ctrl-C comes, in a thread that is not the main one."""

    def __init__(self, path: Path, console: Console) -> None:
        self.path, self.console = path, console
        self.now = threading.Event()
        # It must be there before the fleet holds Ctrl-C back, as numpy's threads are.
        self.thread = threading.Thread(target=self._interrupt, daemon=True)
        self.thread.start()

    def _interrupt(self) -> None:
        self.now.wait()
        signal.raise_signal(signal.SIGINT)

    def __reduce__(self):
        self.now.set()
        self.thread.join()
        self.console.say("starting a worker")
        return Path, (str(self.path),)


def main(folder: Path, console: Console, *, broken: bool, interrupted: bool) -> int:
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
    log = InterruptingPath(folder / "log", console) if interrupted else folder / "log"
    try:
        with Fleet(devices, aggregator="127.0.0.1:1", population="p", processes=PROCESSES, log=log) as fleet:
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
    words = sys.argv[2:]
    console = Console(sys.stdout, sys.stderr)
    sys.exit(main(Path(sys.argv[1]), console, broken="broken" in words, interrupted="interrupted" in words))
