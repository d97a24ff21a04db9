"""Rounds of clients that compute nothing: Fieldfare beside both of Flower's ways.

    python -m benchmarks.aggregator.peer [--clients 10] [--weights 1000000] [--turns 3] [--rounds 20]

Every client is a process of its own that sends its own random float32 update in every round; what comes out is compared
with the mean of those updates, on all sides. A turn is a fresh run of each side, one after the other, so that whatever
else the machine does hits them alike; figures are medians over the turns, ratios those of turns side by side. After
them, one run of each side goes through a TCP relay that counts bytes (all that the connections between clients and
server carry, without TCP's own headers) while memory is looked at every second (PSS, the largest sum). Processor time
is that of all processes, server and clients.

Fieldfare's devices sync what they keep to their disks. Ten or fifty devices that share one disk would wait for each
other's syncs, as no fleet does, so their folders lie in memory by default (`--devices FOLDER` for elsewhere); the
aggregator's state is on the disk. Flower writes nothing.

Bare gRPC, which moves the same bytes, hashes them where Fieldfare does, and does nothing else, shows what is left to
gain.

The supported way of Flower takes seconds for a round, so it has one turn of `--supported-rounds` rounds.
Flower comes into a virtual environment in `--folder`; where it cannot be installed, Fieldfare runs alone.
"""

import argparse
import statistics
from pathlib import Path

from benchmarks.aggregator.peer.measure import Outcome, measure
from benchmarks.aggregator.peer.sides import Bare, Fieldfare, FlowerGrpc, FlowerSupported, Side
from benchmarks.measuring import ratios
from benchmarks.measuring.peer_environment import DEFAULT_FOLDER, CannotInstallError, flower_python


def heading(options: argparse.Namespace, peer: str) -> str:
    from importlib import metadata

    ours = ", ".join(f"{one} {metadata.version(one)}" for one in ("fieldfare", "grpcio", "protobuf", "numpy"))
    return (
        f"{ours}; peer: {peer}; {ratios.machine()}; {options.clients} clients, {options.weights:,} float32 weights, "
        f"median of {options.turns} turns of {options.rounds} rounds"
    )


def turns(sides: list[Side], options: argparse.Namespace) -> dict[str, list[Outcome]]:
    """The sides in turn, A B A B."""
    found: dict[str, list[Outcome]] = {side.name: [] for side in sides}
    for _ in range(options.turns):
        for side in sides:
            found[side.name].append(measure(side, options.clients, options.weights, options.rounds, relayed=False))
    return found


def row(name: str, outcomes: list[Outcome], weighed: Outcome, clients: int) -> str:
    seconds = statistics.median(one.round_s for one in outcomes)
    cpu = statistics.median(one.cpu_s for one in outcomes)
    cells = [f"{seconds:.3f}", f"{clients / seconds:.1f}", f"{cpu:.4f}", f"{weighed.up:.3f}", f"{weighed.down:.3f}"]
    cells += [f"{one / 1e6:.0f}" for one in (weighed.server_bytes, weighed.all_bytes)]
    return f"| {name:<17} | " + " | ".join(cells) + " |"


def paired(mine: list[Outcome], theirs: list[Outcome]) -> tuple[float, float]:
    """How much faster ours is, and how many times their processor seconds it takes: medians over the turns."""
    pairs = list(zip(mine, theirs, strict=True))
    faster = statistics.median(other.round_s / one.round_s for one, other in pairs)
    return faster, statistics.median(one.cpu_s / other.cpu_s for one, other in pairs)


def floor(found: dict[str, list[Outcome]]) -> str:
    """What is left to gain: bare gRPC beside Fieldfare, and beside Flower where that ran."""
    words = []
    for name in (Fieldfare.name, FlowerGrpc.name):
        if name in found:
            faster, costs = paired(found[Bare.name], found[name])
            words.append(f"{faster:.2f} times the updates a second and {costs:.2f} of the processor seconds of {name}")
    return f"{Bare.name}: {'; '.join(words)}"


def goals(found: dict[str, list[Outcome]], weighed: dict[str, Outcome], clients: int) -> dict[str, ratios.Goal]:
    """Ours over theirs."""
    ours, grpc, supported = (one.name for one in (Fieldfare, FlowerGrpc, FlowerSupported))
    mine, at = found[ours], f", {clients} clients"
    result = {
        f"bytes up over weights{at}": ratios.Goal(weighed[ours].up or 0.0, 1.02, at_most=True),
        f"bytes down over weights{at}": ratios.Goal(weighed[ours].down or 0.0, 1.02, at_most=True),
    }
    if grpc in found:
        faster, costs = paired(mine, found[grpc])
        result[f"updates a second over Flower's gRPC path{at}"] = ratios.Goal(faster, 2.0)
        result[f"processor seconds over Flower's gRPC path{at}"] = ratios.Goal(costs, 0.5, at_most=True)
    if supported in found:
        faster = found[supported][0].round_s / statistics.median(one.round_s for one in mine)
        less = weighed[ours].all_bytes / weighed[supported].all_bytes
        result[f"updates a second over Flower's supported path{at}"] = ratios.Goal(faster, 50.0)
        result[f"memory over Flower's supported path{at}"] = ratios.Goal(less, 0.1, at_most=True)
    return result


def _memory() -> Path | None:
    """A file system in memory, where there is one."""
    memory = Path("/dev/shm")  # noqa: S108
    return memory if memory.is_dir() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--supported-rounds", type=int, default=3)
    parser.add_argument("--without-supported", action="store_true", help="leave Flower's supported path out")
    parser.add_argument("--without-peer", action="store_true", help="Fieldfare alone")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="for Flower's environment (%(default)s)")
    parser.add_argument("--devices", type=Path, default=_memory(), help="for the devices' folders (%(default)s)")
    ratios.add_arguments(parser)
    options = parser.parse_args()
    sides: list[Side] = [Fieldfare(options.devices), Bare()]
    slow: list[Side] = []
    peer = "left out"
    if not options.without_peer:
        try:
            python, peer = flower_python(options.folder)
            sides.append(FlowerGrpc(python))
            slow = [] if options.without_supported else [FlowerSupported(python)]
        except CannotInstallError as error:
            peer = f"skipped, Flower cannot be installed here: {error}"
            print(peer, flush=True)
    measured = heading(options, peer)
    print(measured)
    print("| side              | s a round | updates/s | CPU s/update | bytes up/weights | down | MB server | MB all |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    found = turns(sides, options)
    weighed: dict[str, Outcome] = {}
    for side in (*sides, *slow):
        rounds = options.supported_rounds if side in slow else options.rounds
        weighed[side.name] = measure(side, options.clients, options.weights, rounds, relayed=True)
        # Safe: a relay in memory is nothing beside seconds of polling.
        found.setdefault(side.name, [weighed[side.name]])
        print(row(side.name, found[side.name], weighed[side.name], options.clients), flush=True)
    print(floor(found))
    ratios.settle(f"peer, {options.clients} clients", goals(found, weighed, options.clients), options, measured)


if __name__ == "__main__":
    main()
