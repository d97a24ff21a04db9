"""What runs in a worker process: the devices of a round, a few at a time, each the one that ships."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

from examples.keyboard.roles import read_roles
from examples.keyboard.words import Vocabulary, examples_of
from fieldfare.core.errors import StateError
from fieldfare.core.plans import read_manifest
from fieldfare.core.sessions import Ended, RetrySettings
from fieldfare.sdk import Device, ExampleStore, LiteRtTrainer

_WAIT = timedelta(seconds=10)
_RETRY = RetrySettings(first=timedelta(milliseconds=100), longest=timedelta(seconds=2))
_CACHE_BYTES = 6_000_000
"""A plan and two checkpoints: there are many devices, and each would keep what it may."""


@dataclass(frozen=True, slots=True)
class Town:
    """Where the devices live.

    Attributes:
        data: the file of roles.
        names: the roles that live here, in the order of their numbers.
        folder: gets a folder for each device, with its store, ledger, outbox and cache.
        vocabulary: the file of words.
        plan: names the tensors of an example.
        aggregator: "host:port".
        population: what the devices check in for.
        threads: devices that are awake at a time.
        seed: of every device's shuffling, together with its number.
    """

    data: Path
    names: tuple[str, ...]
    folder: Path
    vocabulary: Path
    plan: Path
    aggregator: str
    population: str
    threads: int
    seed: int


class Residents:
    """The devices of a town, as one process runs them: one trainer for each thread, one device a role."""

    def __init__(self, town: Town) -> None:
        self._town = town
        every = {role.name: role for role in read_roles(town.data)}
        self._roles = [every[name] for name in town.names]
        self._vocabulary = Vocabulary.read(town.vocabulary)
        self._specs = read_manifest(town.plan).example_specs
        self._trainers: SimpleQueue[LiteRtTrainer] = SimpleQueue()
        for _ in range(town.threads):
            self._trainers.put(LiteRtTrainer())
        self._threads = ThreadPoolExecutor(town.threads)

    def take_part(self, numbers: list[int]) -> None:
        """Wake these devices until each has been counted once.

        Raises:
            StateError: a device could not do the work.
        """
        # The one with much to do first, so that nobody is waited for at the end.
        for _ in self._threads.map(self._wake, sorted(numbers, key=lambda one: -len(self._roles[one].training))):
            pass

    def _wake(self, number: int) -> None:
        town, folder = self._town, self._town.folder / f"{number:04d}"
        trainer = self._trainers.get()
        try:
            with (
                self._store(number, folder) as store,
                Device(
                    folder,
                    aggregator=town.aggregator,
                    population=town.population,
                    store=store,
                    trainer=trainer,
                    retry=_RETRY,
                    seed=town.seed * 10_000 + number,
                    cache_limit_bytes=_CACHE_BYTES,
                ) as device,
            ):
                while (ended := device.run_once(wait=_WAIT)).ended is not Ended.COUNTED:
                    if ended.ended is not Ended.IDLE:
                        raise StateError(f"the device of role {number} was not counted: {ended.detail}")
        finally:
            self._trainers.put(trainer)

    def _store(self, number: int, folder: Path) -> ExampleStore:
        path = folder / "examples.db"
        if path.exists():
            return ExampleStore.open(path)
        store = ExampleStore.create(path, self._specs, held_out_share=0.0)
        store.add_many(examples_of(self._vocabulary, self._roles[number].training))
        return store


_RESIDENTS: list[Residents] = []


def settle(town: Town) -> None:
    """Begin a worker process, which ends when the one that started it is gone, however that ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _RESIDENTS.append(Residents(town))


def take_part(numbers: list[int]) -> None:
    """In a worker process: see `Residents.take_part`."""
    _RESIDENTS[0].take_part(numbers)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
