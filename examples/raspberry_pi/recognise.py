"""Recognise what a person does from the samples of a motion sensor, and keep the labelled windows to train on.

    python -m examples.raspberry_pi.recognise --store examples.db --folder device --serial /dev/ttyACM0
    python -m examples.raspberry_pi.recognise --store examples.db --folder device --replay uci_har.npz --subject 1

The model is the one that `fieldfare device run --folder device` last took part with; until then nothing is recognised,
and windows are kept all the same. Ends with the input, with Ctrl-C or SIGTERM.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from examples.raspberry_pi.activity import ACTIVITIES, RATE_HZ, SPECS, STEP, UNKNOWN, Reading
from examples.raspberry_pi.gravity import nine_values
from examples.raspberry_pi.inputs import LabelFile, labelled, open_input, read_lines, set_up_serial
from examples.raspberry_pi.lines import parse_lines
from examples.raspberry_pi.recogniser import Recogniser, Recognition
from examples.raspberry_pi.recordings import load_recordings, replay
from fieldfare.core.errors import ConfigError, FieldfareError
from fieldfare.sdk import ExampleStore, StoreLimits
from fieldfare.sdk.device import DeviceFolder, Predictor

_LIMITS = StoreLimits(max_examples=20_000, max_age=timedelta(days=90))
"""Seven hours of windows in 95 MB: an SD card is small, and the newest say best how somebody moves."""

Say = Callable[[str], None]


def main(arguments: list[str] | None = None) -> int:
    """Run until the input ends; the exit status is 0 then, 2 for a wrong flag, 1 for any other error."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(options, stop, lambda text: print(text, flush=True))
    except FieldfareError as error:
        print(f"recognise: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def run(options: argparse.Namespace, stop: threading.Event, say: Say) -> None:
    """Recognise window after window and print a line where the activity changes; at the end, how much it was."""
    with ExitStack() as stack:
        readings = _readings(options, stop, stack)
        store = stack.enter_context(ExampleStore.create(options.store, SPECS, limits=_LIMITS))
        predictor = Predictor(DeviceFolder(options.folder, create=True))
        report = _Report(say, every_window=options.every_window)
        recogniser = Recogniser(store, predictor.predict)
        for reading in readings:
            if stop.is_set():
                break
            recognition = recogniser.push(reading)
            if recognition is not None:
                report.tell(recognition)
        report.summary(store)


def paced(readings: Iterator[Reading], stop: threading.Event, *, rate_hz: float) -> Iterator[Reading]:
    """Give out the samples at `rate_hz`; one that comes late is followed at once by the next."""
    due = time.monotonic()
    for reading in readings:
        if reading is not None:
            due += 1 / rate_hz
            stop.wait(max(0.0, due - time.monotonic()))
        yield reading


class _Report:
    """Prints recognitions, and counts them."""

    def __init__(self, say: Say, *, every_window: bool) -> None:
        self._say = say
        self._every_window = every_window
        self._last: object = None
        self._windows = self._stored = self._judged = self._right = 0

    def tell(self, recognition: Recognition) -> None:
        seconds = self._windows * STEP / RATE_HZ
        self._windows += 1
        self._stored += recognition.label != UNKNOWN
        said = "no model yet"
        if recognition.activity is not None:
            said = f"{ACTIVITIES[recognition.activity]} {recognition.probability:.2f}"
            if recognition.label != UNKNOWN:
                self._judged += 1
                self._right += recognition.activity == recognition.label
        kept = "" if recognition.label == UNKNOWN else f"  kept as {ACTIVITIES[recognition.label]}"
        now = recognition.activity, recognition.label
        if self._every_window or now != self._last:
            self._say(f"{seconds:8.1f} s  {said}{kept}")
        self._last = now

    def summary(self, store: ExampleStore) -> None:
        self._say(f"{self._windows} windows, {self._stored} of them kept; the store holds {store.count()}")
        if self._judged:
            self._say(f"{self._right} of {self._judged} labelled windows recognised: {self._right / self._judged:.4f}")


def _readings(options: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> Iterator[Reading]:
    if options.replay is not None:
        if options.subject is None:
            raise ConfigError("names the person to replay", field="--subject")
        if options.speed < 0:
            raise ConfigError("must be above 0, or 0 for as fast as it goes", field="--speed")
        readings = replay(load_recordings(options.replay, [options.subject]))
        return paced(readings, stop, rate_hz=RATE_HZ * options.speed) if options.speed else readings
    path = options.serial or options.file
    descriptor = stack.enter_context(open_input(path))
    if options.serial is not None:
        set_up_serial(descriptor, options.baud)
    found = nine_values(parse_lines(read_lines(descriptor, stop, what=str(path), endless=options.serial is not None)))
    return labelled(found, LabelFile(options.label_file)) if options.label_file is not None else found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recognise", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--store", type=Path, required=True, metavar="FILE", help="the example store; made where it is absent")
    add("--folder", type=Path, required=True, metavar="FOLDER", help="the device's folder; made where it is absent")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--serial", type=Path, metavar="DEVICE", help="lines from a serial port, as lines.py has them")
    source.add_argument("--file", type=Path, metavar="FILE", help="the same lines from a file or a pipe")
    source.add_argument("--replay", type=Path, metavar="NPZ", help="recordings of the data set UCI HAR")
    add("--baud", type=int, default=115200, help="speed of the serial port (%(default)s)")
    add("--label-file", type=Path, metavar="FILE", help="holds the present activity, for lines that name none")
    add("--subject", type=int, metavar="N", help="whose recordings to replay, 1 to 30")
    add("--speed", type=float, default=1.0, metavar="X", help="of the replay; 1 is 50 Hz, 0 at once (%(default)s)")
    add("--every-window", action="store_true", help="print a line for each window, not only where something changes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
