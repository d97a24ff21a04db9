"""Devices of the SDK in threads of the test's process, and waits that have an end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from fieldfare.core.sessions import Ended, Participation, RetrySettings
from fieldfare.sdk import Device, ExampleStore, GrpcTransport, Personal
from fieldfare.sdk.cache import DEFAULT_LIMIT_BYTES

EAGER = RetrySettings(
    tries=5,
    first=timedelta(milliseconds=50),
    longest=timedelta(milliseconds=500),
    longest_pending=timedelta(seconds=20),
    after_peer_error=timedelta(milliseconds=500),
)


@dataclass
class Member:
    """One device: what it is made of, and what became of its participations.

    Attributes:
        tls_ca: for an aggregator with a certificate.
        enrollment_key: for one that devices enrol with.
        patience: how long a call may be without an answer, and a transfer without a move; None for what ships.
        slowest_bytes_per_s: with it, how slow an upload may be.
        personal: how it keeps weights of its own; None for none.
        retry: how failing calls are met.
        cache_limit_bytes: of its cache.
    """

    folder: Path
    store: ExampleStore
    address: str
    seed: int
    participations: list[Participation] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    tls_ca: Path | None = None
    enrollment_key: str = ""
    patience: timedelta | None = None
    slowest_bytes_per_s: float = 1e6
    cache_limit_bytes: int = DEFAULT_LIMIT_BYTES
    retry: RetrySettings = EAGER
    personal: Personal | None = None

    def device(self, stack: ExitStack, population: str) -> Device:
        """Open until the stack is closed."""
        bounds: dict[str, Any] = {}
        if self.patience is not None:
            bounds = {"timeout": self.patience, "stall_timeout": self.patience}
            bounds["slowest_bytes_per_s"] = self.slowest_bytes_per_s
        transport = GrpcTransport(self.address, tls_ca=self.tls_ca, **bounds)
        stack.callback(transport.close)
        return stack.enter_context(
            Device(
                self.folder,
                aggregator=transport,
                population=population,
                store=self.store,
                seed=self.seed,
                enrollment_key=self.enrollment_key,
                retry=self.retry,
                personal=self.personal,
                cache_limit_bytes=self.cache_limit_bytes,
            )
        )

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
        devices = [one.device(stack, population) for one in members]
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
