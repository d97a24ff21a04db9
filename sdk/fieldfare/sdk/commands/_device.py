"""What the actions of `fieldfare device` do."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from fieldfare.core.command import Console
from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.files import load_npz
from fieldfare.core.sessions import Ended, Participation
from fieldfare.sdk.commands._conditions import conditions_of
from fieldfare.sdk.commands._limits import limits_of
from fieldfare.sdk.commands._personal import personal_words
from fieldfare.sdk.commands._words import bytes_words, limits_words, participation_line, seconds_words
from fieldfare.sdk.device import Device, DeviceFolder, Predictor
from fieldfare.sdk.enrollment import enroll as enroll_device
from fieldfare.sdk.pace import MachineClock, Moment
from fieldfare.sdk.personal import Personal
from fieldfare.sdk.store import ExampleStore
from fieldfare.sdk.training import LiteRtTrainer
from fieldfare.sdk.transport import GrpcTransport, LedgeredTransport

_INTERRUPTED = 130
_WAITS = {Ended.IDLE, Ended.UNREACHABLE}


def enroll(options: argparse.Namespace, console: Console) -> int:
    """`device enroll`."""
    key = _one_line(options.key_file)
    folder = DeviceFolder(options.folder, create=True)
    transport = GrpcTransport(
        options.aggregator, tls_ca=options.tls_ca, tls_cert=options.tls_cert, tls_key=options.tls_key
    )
    now = datetime.now(UTC)
    try:
        folder.acquire()
        with folder.open_ledger() as ledger:
            recorded = LedgeredTransport(transport, ledger, lambda: now)
            member = enroll_device(recorded, folder.membership, folder.device_id(), key, now)
    finally:
        folder.lock.release()
        transport.close()
    console.say(f"enrolled in population {member.population} as device {folder.device_id().hex()}")
    return 0


def _one_line(path: Path) -> str:
    try:
        text = sys.stdin.readline() if path == Path("-") else path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text: {error}", field="--key-file") from error
    key = text.strip()
    if not key or len(key.split()) != 1:
        raise ConfigError("must hold one key, and nothing else", field="--key-file")
    return key


def run(options: argparse.Namespace, console: Console) -> int:
    """`device run`."""
    if options.threads < 1:
        raise ConfigError("must be at least 1", field="--threads")
    if options.early and not options.once:
        raise ConfigError("goes with --once only", field="--early")
    conditions = conditions_of(options)
    with (
        _signals() as ending,
        ExampleStore.open(options.store) as store,
        Device(
            options.folder,
            aggregator=options.aggregator,
            population=options.population,
            store=store.select(*options.collection) if options.collection else store,
            tls_ca=options.tls_ca,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            trusted_publishers=options.publisher,
            conditions=conditions,
            min_separation=timedelta(seconds=options.min_separation),
            trainer=LiteRtTrainer(options.threads),
            seed=options.seed,
            on_wait=_WaitsTold(console),
            limits=limits_of(options),
            personal=Personal() if options.personalise else None,
        ) as device,
    ):
        told: set[tuple[Ended, str]] = set()
        last = Ended.IDLE

        def tell(participation: Participation) -> None:
            nonlocal last
            last = participation.ended
            # A device that waits says so once, until it has had something to do or the reason is another one.
            waits = {(participation.ended, participation.detail)} if participation.ended in _WAITS else set()
            if not waits or waits != told:
                console.say(participation_line(participation, device.ledger))
            told.clear()
            told.update(waits)

        if options.once:
            tell(device.run_once(ending.stop, early=options.early))
        else:
            device.run_forever(ending.stop, tell, idle_after=options.until_idle)
    failed = last is Ended.UNREACHABLE or (options.once and last is Ended.REFUSED)
    return _INTERRUPTED if ending.signal == signal.SIGINT else int(failed and ending.signal is None)


class _WaitsTold:
    """Says each reason to wait once, until it is another one: a device may wait for long, and often."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, duration: timedelta, reason: str) -> None:
        if reason != self._last:
            self._console.say(f"waiting: {reason}; again in {seconds_words(duration)}")
        self._last = reason


def status(options: argparse.Namespace, console: Console) -> int:
    """`device status`."""
    if options.store is None and options.folder is None:
        raise ConfigError("give --store, --folder or both")
    if options.store is not None:
        with ExampleStore.open(options.store) as store:
            console.say(f"store     {options.store}: {store.count()} examples, {store.count(held_out=True)} held out")
            for name, count in store.collections().items():
                console.say(f"          collection {name}: {count} examples")
            if limits := limits_words(store.limits):
                console.say(f"          keeps {limits}")
            for spec in store.specs:
                console.say(f"          {spec.name} {spec.dtype} {list(spec.shape)}")
    if options.folder is not None:
        _say_folder(DeviceFolder(options.folder), console)
    return 0


def _say_folder(folder: DeviceFolder, console: Console) -> None:
    current = folder.current
    model = "none yet" if current is None else f"version {current.version} of task {current.task}"
    console.say(f"model     {model}")
    if (before := folder.models.previous) is not None:
        console.say(f"          version {before.version} of task {before.task} to fall back to")
    if (record := folder.personal.record()) is not None:
        console.say(f"own       {personal_words(record)}")
    console.say(f"report    {'none waits' if folder.outbox.is_empty else 'one waits for its receipt'}")
    if not folder.resting.is_empty:
        console.say("training  rests until its conditions hold")
    clock = MachineClock()
    window = folder.pace.read().window(Moment(datetime.now(UTC), clock.start, clock.seconds()))
    if window > timedelta(0):
        console.say(f"next      in {seconds_words(window)}")
    console.say(f"cache     {bytes_words(folder.cache.size_bytes())}")
    with folder.open_ledger(create=False) as ledger:
        console.say(f"ledger    {len(ledger)} messages, {bytes_words(ledger.total_bytes())} sent")


def predict(options: argparse.Namespace, console: Console) -> int:
    """`device predict`."""
    outputs: dict[str, Any] = Predictor(DeviceFolder(options.folder)).predict(
        load_npz(options.inputs), previous=options.previous, personal=not options.shared
    )
    try:
        with options.outputs.open("wb") as file:
            np.savez(file, **outputs)
    except OSError as error:
        raise StorageError(f"{options.outputs} cannot be written: {error.strerror}") from error
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())
    console.say(f"{options.outputs}: {shapes}")
    return 0


class _Ending:
    """The event that ends the run, and the signal that set it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.signal: int | None = None


@contextmanager
def _signals() -> Iterator[_Ending]:
    """The first Ctrl-C or SIGTERM ends the run in good order; a second one ends it at once."""
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _frame: FrameType | None) -> None:
        ending.signal = number
        ending.stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handle)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
