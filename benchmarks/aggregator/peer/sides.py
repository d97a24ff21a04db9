"""The ways to run the same rounds; each side starts its processes and says how far they are."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

import numpy as np
import psutil

from benchmarks.aggregator.peer.device import POPULATION
from benchmarks.aggregator.peer.relay import Relay
from benchmarks.aggregator.peer.updates import mean_update
from benchmarks.measuring.processes import end

ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Run:
    """Processes under way.

    Attributes:
        server: ids of the processes on the server's side.
        clients: ids of the clients' processes.
        rounds: how many rounds have ended.
        error: largest difference between the mean that came out and the one that should have; asked at the end.
        relay: counts bytes, where it was asked for.
    """

    server: list[int]
    clients: list[int]
    rounds: Callable[[], int]
    error: Callable[[], float]
    relay: Relay | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: so many clients, weights and rounds, in a folder; with a relay between, or straight."""

    clients: int
    size: int
    rounds: int
    folder: Path
    relayed: bool


class Side(Protocol):
    """A way to run rounds."""

    name: ClassVar[str]

    def run(self, plan: Plan, stack: ExitStack) -> Run:
        """Start everything; what must end is pushed onto the stack."""
        ...


@dataclass(frozen=True, slots=True)
class Fieldfare:
    """`fieldfare serve` and a process with a real `Device` for each client; `devices` is where their folders go."""

    devices: Path | None = None
    serve_options: tuple[str, ...] = ()
    name: ClassVar[str] = "Fieldfare"

    def run(self, plan: Plan, stack: ExitStack) -> Run:
        from fieldfare.aggregator import AdminClient

        log = stack.enter_context((plan.folder / "clients.log").open("w"))
        command = [str(Path(sys.executable).with_name("fieldfare")), "serve", "--state", str(plan.folder / "state")]
        command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *self.serve_options]
        server = start(command, stack, stdout=subprocess.PIPE, stderr=log)
        lines = _Lines(server.stdout)
        address = lines.find(r"listening for devices on (\S+)")
        admin = stack.enter_context(AdminClient(lines.find(r"listening for administration on (\S+)")))
        relay, port = _relay(plan, int(address.rpartition(":")[2]), stack)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldfare-devices-", dir=self.devices))
        clients = [
            start(
                [
                    *(sys.executable, "-m", "benchmarks.aggregator.peer.device"),
                    *(f"{folder}/{index}", f"127.0.0.1:{port}", str(index), str(plan.size)),
                ],
                stack,
                stdout=log,
                stderr=log,
            ).pid
            for index in range(plan.clients)
        ]
        plan_file, spec = peer_task(plan.clients, plan.size, plan.rounds)
        task = admin.submit(plan_file, spec, weights=np.zeros(plan.size, np.float32)).task_id

        def error() -> float:
            return _error_of_sum(admin, task, plan)

        return Run([server.pid], clients, lambda: lines.count(r"round \d+ committed"), error, relay)


def peer_task(clients: int, size: int, rounds: int) -> "tuple[bytes, Any]":
    """A plan without a graph, and a task that takes every client in every round."""
    from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
    from fieldfare.core.weights import TensorSpec
    from tests.support.hollow_plan import hollow_plan

    cohort = CohortSpec(clients, clients, 1.0, timedelta(minutes=10), timedelta(minutes=10))
    aggregation = AggregationSpec(min_snapshot_updates=min(2, clients))
    spec = TaskSpec("peer", POPULATION, rounds, cohort, cohort, 0, aggregation=aggregation)
    return hollow_plan((TensorSpec("dense/kernel", "float32", (size,)),)), spec


def _error_of_sum(admin: Any, task: str, plan: Plan) -> float:
    """The checkpoint is the sum of one mean for each round."""
    from fieldfare.core.weights import unpack_weights

    _, weights = unpack_weights(admin.fetch(admin.show(task).checkpoint))
    version = admin.show(task).checkpoint_version
    return float(np.abs(weights / version - mean_update(plan.clients, plan.size)).max())


@dataclass(frozen=True, slots=True)
class Bare:
    """gRPC and SHA-256 alone: what no system that moves and checks the same bytes this way can go below."""

    name: ClassVar[str] = "Bare gRPC"

    def run(self, plan: Plan, stack: ExitStack) -> Run:
        log, progress = stack.enter_context((plan.folder / "log").open("w")), plan.folder / "progress"
        command = [sys.executable, "-m", "benchmarks.aggregator.peer.bare"]
        numbers = [str(plan.clients), str(plan.size), str(progress)]
        server = start([*command, "server", *numbers], stack, stdout=subprocess.PIPE, stderr=log)
        address = _Lines(server.stdout).find(r"listening on (\S+)")
        relay, port = _relay(plan, int(address.rpartition(":")[2]), stack)
        clients = [
            start(
                [*command, "client", f"127.0.0.1:{port}", str(index), str(plan.size), str(plan.rounds)],
                stack,
                stdout=log,
                stderr=log,
            ).pid
            for index in range(plan.clients)
        ]
        return Run([server.pid], clients, lambda: len(_errors(progress)), lambda: max(_errors(progress)), relay)


@dataclass(frozen=True, slots=True)
class FlowerGrpc:
    """`start_server` and `start_client`."""

    python: Path
    name: ClassVar[str] = "Flower, gRPC"

    def run(self, plan: Plan, stack: ExitStack) -> Run:
        log, progress = stack.enter_context((plan.folder / "log").open("w")), plan.folder / "progress"
        port, module = free_port(), "benchmarks.aggregator.peer.flower_"
        numbers = [str(plan.clients), str(plan.size), str(plan.rounds), str(progress)]
        environment = flower_environment(self.python, plan.folder)
        command = [str(self.python), "-m", f"{module}server", f"127.0.0.1:{port}", *numbers]
        server = start(command, stack, stdout=log, stderr=log, env=environment)
        wait_for_port(port, server)
        relay, near = _relay(plan, port, stack)
        clients = [
            start(
                [str(self.python), "-m", f"{module}client", f"127.0.0.1:{near}", str(index), str(plan.size)],
                stack,
                stdout=log,
                stderr=log,
                env=environment,
            ).pid
            for index in range(plan.clients)
        ]
        return Run([server.pid], clients, lambda: len(_errors(progress)), lambda: max(_errors(progress)), relay)


@dataclass(frozen=True, slots=True)
class FlowerSupported:
    """A SuperLink, a SuperNode for each client, and `flwr run`."""

    python: Path
    name: ClassVar[str] = "Flower, SuperLink"

    def run(self, plan: Plan, stack: ExitStack) -> Run:
        log, progress = stack.enter_context((plan.folder / "log").open("w")), plan.folder / "progress"
        port, environment = free_port(), flower_environment(self.python, plan.folder)
        bin_folder, output = self.python.parent, {"stdout": log, "stderr": log, "env": environment}
        command = [f"{bin_folder}/flower-superlink", "--insecure", "--port", str(port)]
        link = start([*command, "--disable-runtime-dependency-installation"], stack, **output)
        wait_for_port(port, link)
        relay, near = _relay(plan, port, stack)
        clients = []
        for index in range(plan.clients):
            node = [f"{bin_folder}/flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{near}"]
            node += ["--port", str(free_port()), "--node-config", f"index={index}"]
            clients.append(start(node, stack, **output).pid)
        home = Path(environment["FLWR_HOME"])
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
        )
        config = f'clients={plan.clients} size={plan.size} rounds={plan.rounds} progress="{progress}"'
        app = str(Path(__file__).with_name("flower_app"))
        subprocess.run(
            [f"{bin_folder}/flwr", "run", app, "here", "--run-config", config],
            check=True,
            timeout=300,
            **output,
        )
        return Run([link.pid], clients, lambda: len(_errors(progress)), lambda: max(_errors(progress)), relay)


def flower_environment(python: Path, folder: Path) -> dict[str, str]:
    """Its commands first, no telemetry, a home of its own, and this repository on the path for `updates.py`."""
    home = folder / "flower"
    home.mkdir()
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    own = {"PATH": path, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return os.environ | own


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start(command: list[str], stack: ExitStack, **options: Any) -> psutil.Popen:
    """A process that ends with the stack."""
    process = psutil.Popen(command, cwd=ROOT, text=True, **options)
    stack.callback(end, process)
    return process


def _relay(plan: Plan, port: int, stack: ExitStack) -> tuple[Relay | None, int]:
    if not plan.relayed:
        return None, port
    relay = stack.enter_context(Relay(port))
    return relay, relay.port


def wait_for_port(port: int, process: psutil.Popen, patience_s: float = 60.0) -> None:
    """Until something listens there; exits where the process ends before, or nothing does in time."""
    for _ in range(int(patience_s * 10)):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def _errors(progress: Path) -> list[float]:
    return [float(line) for line in progress.read_text().splitlines()] if progress.exists() else []


@dataclass(slots=True)
class _Lines:
    """What a process prints, read by a thread."""

    stream: IO[str]
    _lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=lambda: self._lines.extend(self.stream), daemon=True).start()

    def find(self, pattern: str, patience_s: float = 60.0) -> str:
        for _ in range(int(patience_s * 50)):
            for line in self._lines:
                if found := re.search(pattern, line):
                    return found[1]
            time.sleep(0.02)
        sys.exit(f"no line like {pattern!r} in {self._lines}")

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, line) is not None for line in self._lines)
