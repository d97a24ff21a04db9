"""One run of one side: seconds, processor time, bytes and memory."""

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.aggregator.peer.sides import Plan, Run, Side
from benchmarks.measuring.processes import cpu_seconds, pss_bytes

WARM_UP_ROUNDS = 2
LARGEST_ERROR = 1e-5
_LOOK_EVERY_S = 0.005
_WEIGH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the rounds after the warm-up.

    Attributes:
        round_s: seconds a round.
        cpu_s: processor seconds an update, all processes.
        server_cpu_s: of these the server's.
        up: bytes from a client to the server over the weights that a client sends; None without a relay.
        down: the same from the server.
        server_bytes: PSS of the server's processes, 0 where it was not looked at; the largest of several looks.
        all_bytes: PSS of all processes.
    """

    round_s: float
    cpu_s: float
    server_cpu_s: float
    up: float | None = None
    down: float | None = None
    server_bytes: int = 0
    all_bytes: int = 0


def measure(side: Side, clients: int, size: int, rounds: int, *, relayed: bool) -> Outcome:
    """Run the side once; bytes and memory where `relayed`, since looking costs time."""
    with tempfile.TemporaryDirectory(prefix="fieldfare-peer-run-") as folder, ExitStack() as stack:
        # One round more than is measured, so that the end of the last one is not the end of the run.
        plan = Plan(clients, size, WARM_UP_ROUNDS + rounds + 1, Path(folder), relayed)
        run = side.run(plan, stack)
        pids = [*run.server, *run.clients]
        patience_s = 300.0 + 120.0 * rounds
        _wait(run, WARM_UP_ROUNDS, patience_s)
        start, relay = time.perf_counter(), run.relay
        cpu, server_cpu = cpu_seconds(pids), cpu_seconds(run.server)
        server_bytes, all_bytes = _wait(run, WARM_UP_ROUNDS + rounds, patience_s)
        seconds = time.perf_counter() - start
        cpu, server_cpu = cpu_seconds(pids) - cpu, cpu_seconds(run.server) - server_cpu
        updates = clients * rounds
        outcome = Outcome(seconds / rounds, cpu / updates, server_cpu / updates)
        _wait(run, plan.rounds, patience_s)
        if relay is not None:
            # Of the whole run: while a round ends the next one's downloads have begun.
            moved = 4 * size * clients * plan.rounds
            up, down = relay.up / moved, relay.down / moved
            outcome = replace(outcome, up=up, down=down, server_bytes=server_bytes, all_bytes=all_bytes)
        error = run.error()
        for pid in run.clients:
            # All at once; the stack then waits for them one by one.
            psutil.Process(pid).terminate()
        if error > LARGEST_ERROR:
            sys.exit(f"{side.name}: the mean is off by {error:g}")
        return outcome


def _wait(run: Run, rounds: int, patience_s: float) -> tuple[int, int]:
    """Until so many rounds have ended; the largest memory of the server and of all, where there is a relay."""
    give_up, weigh = time.monotonic() + patience_s, time.monotonic() + _WEIGH_EVERY_S / 4
    largest = (0, 0)
    while run.rounds() < rounds:
        now = time.monotonic()
        if now > give_up:
            sys.exit(f"only {run.rounds()} of {rounds} rounds ended within {patience_s:.0f} s")
        if run.relay is not None and now > weigh:
            server = pss_bytes(run.server)
            largest = max(largest[0], server), max(largest[1], server + pss_bytes(run.clients))
            weigh = time.monotonic() + _WEIGH_EVERY_S
        time.sleep(_LOOK_EVERY_S)
    return largest
