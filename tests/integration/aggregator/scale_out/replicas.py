"""Real `fieldfare serve` processes over one PostgreSQL and one object store, and devices that never give up."""

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from fieldfare.protos.v1 import aggregator_pb2_grpc
from tests.integration.aggregator.fleet import ACCEPTED, DUPLICATE, INVALID, LATE, PENDING, Device
from tests.support.commands import FIELDFARE, environment, free_port
from tests.support.fleet_threads import wait_until


@dataclass
class Replica:
    """One of them; it may be killed and started again on the same ports."""

    name: str
    state: Path
    options: list[str]
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        listen = ("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}")
        command = [*FIELDFARE, "serve", "--state", str(self.state), "--replica", self.name, *listen, *self.options]
        log = self.state.with_suffix(".log").open("ab")
        with log:
            self.process = subprocess.Popen(command, env=environment(**self.variables), stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return b"listening for administration" in self.state.with_suffix(".log").read_bytes()

        wait_until(ready, f"{self.name} to listen")

    @property
    def log(self) -> str:
        return self.state.with_suffix(".log").read_text()

    @property
    def admin_address(self) -> str:
        return f"127.0.0.1:{self.admin_port}"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.state.with_suffix(".log").rename(self.state.with_suffix(f".{self.port}.killed"))


class Fleet:
    """Devices with a connection each, through the balancer; each keeps its report until it knows what became of it."""

    def __init__(self, count: int, address: str) -> None:
        self.acknowledged: set[tuple[int, bytes]] = set()
        self.refused: list[str] = []
        self._done = threading.Event()
        self._address = address
        self._threads = [threading.Thread(target=self._live, args=(index,)) for index in range(count)]

    def __enter__(self) -> "Fleet":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _live(self, index: int) -> None:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200))
        with grpc.insecure_channel(self._address, options) as channel:
            device = Device(index, aggregator_pb2_grpc.AggregatorStub(channel))
            while not self._done.is_set():
                # Safe: a call that broke is made again, as a device does.
                try:
                    idle = self._step(device)
                except grpc.RpcError:
                    idle = True
                if idle:
                    self._done.wait(0.1)

    def _step(self, device: Device) -> bool:
        """One call; whether to wait before the next."""
        if device.assignment is None and device.check_in() is None:
            return True
        assert device.assignment is not None
        receipt = device.report()
        if receipt.status in {ACCEPTED, DUPLICATE}:
            self.acknowledged.add((device.assignment.round_number, device.id))
        if receipt.status == INVALID:
            self.refused.append(receipt.detail)
        if receipt.status in {ACCEPTED, DUPLICATE, LATE, INVALID}:
            device.assignment = None
        return receipt.status == PENDING
