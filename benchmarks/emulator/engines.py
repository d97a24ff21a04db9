"""What the engines and transports of an emulation cost beside each other.

    python -m benchmarks.emulator.engines [--clients 1000] [--turns 3] [--rounds 6]

Devices that compute nothing, 100,000 float32 weights, on this machine: worker processes and a Ray of the run's own,
calls in memory and over gRPC. Every run is a fresh process; the four take turns, figures are medians, and shares those
of runs side by side with processes and memory. Updates a second are those of the rounds after the first. Memory is the
largest of looks once a second at all processes of a run (PSS).
"""

import argparse
import os
import statistics
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.emulator.__main__ import WEIGHTS, fieldfare, in_turn, per_second
from benchmarks.emulator.runs import Timed
from benchmarks.emulator.scenarios import export_plan, null_scenario
from benchmarks.measuring import ratios

_FIRST = "processes, memory"
_SIDES = {
    _FIRST: ("processes", "memory"),
    "processes, gRPC": ("processes", "grpc"),
    "Ray, memory": ("ray", "memory"),
    "Ray, gRPC": ("ray", "grpc"),
}


def emulated(folder: Path, *, plan: Path, kind: str, transport: str, options: argparse.Namespace) -> Timed:
    scenario = null_scenario(
        folder,
        plan,
        clients=options.clients,
        devices=options.clients,
        rounds=options.rounds,
        workers=options.workers,
    )
    engine = f'[engine]\nkind = "{kind}"\ntransport = "{transport}"\n'
    scenario.write_text(scenario.read_text().replace("[engine]\n", engine))
    return fieldfare(folder, scenario)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    told = f"{options.clients:,} devices a round, {options.workers} workers, {options.turns} turns"
    print(f"{ratios.machine()}; {told}; load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fieldfare-emulator-plans-") as plans:
        plan = Path(plans) / "flat.tflite"
        export_plan(str(WEIGHTS), plan)
        sides = {
            name: partial(emulated, plan=plan, kind=kind, transport=transport, options=options)
            for name, (kind, transport) in _SIDES.items()
        }
        found = in_turn(options.turns, sides)
    print("| engine, transport | first round, s | updates/s | of the first row's | memory, GB |\n|---|---|---|---|---|")
    for name, timed in found.items():
        first = statistics.median(one.first_s for one in timed)
        speeds = [per_second(one, options.clients) for one in timed]
        pairs = zip(speeds, (per_second(one, options.clients) for one in found[_FIRST]), strict=True)
        share = statistics.median(speed / other for speed, other in pairs)
        memory = statistics.median(one.all_bytes for one in timed) / 1e9
        print(f"| {name:<17} | {first:8.1f} | {statistics.median(speeds):8.0f} | {share:6.2f} | {memory:6.2f} |")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
