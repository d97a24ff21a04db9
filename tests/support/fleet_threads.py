"""Devices of the SDK in threads of the test's process, and waits that have an end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fieldfare.core.sessions import Ended, Participation, RetrySettings
from fieldfare.sdk import Device, ExampleStore

EAGER = RetrySettings(
    tries=5,
    first=timedelta(milliseconds=50),
    longest=timedelta(milliseconds=500),
    longest_pending=timedelta(seconds=20),
)


@dataclass
class Member:
    """One device: what it is made of, and what became of its participations."""

    folder: Path
    store: ExampleStore
    address: str
    seed: int
    participations: list[Participation] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def device_id(self) -> bytes:
        return (self.folder / "device_id").read_bytes()

    def counted(self) -> int:
        return sum(one.ended is Ended.COUNTED for one in self.participations)


@contextmanager
def running(members: Sequence[Member], population: str) -> Iterator[list[Device]]:
    """Every member takes part until the block ends; an error in one of the threads is raised at its end."""
    stop = threading.Event()

    def live(member: Member, device: Device) -> None:
        try:
            device.run_forever(stop, member.participations.append)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            member.errors.append(error)

    with ExitStack() as stack:
        devices = [
            stack.enter_context(
                Device(
                    one.folder,
                    aggregator=one.address,
                    population=population,
                    store=one.store,
                    seed=one.seed,
                    retry=EAGER,
                )
            )
            for one in members
        ]
        threads = [threading.Thread(target=live, args=pair) for pair in zip(members, devices, strict=True)]
        for thread in threads:
            thread.start()
        try:
            yield devices
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        for member in members:
            if member.errors:
                raise member.errors[0]
        assert not any(thread.is_alive() for thread in threads)


def wait_until(condition: Callable[[], object], what: str, *, within_s: float = 60, every_s: float = 0.02) -> None:
    """Ask until the condition holds; fail, saying what was waited for, once the time is over."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s} s for {what}"
        time.sleep(every_s)
