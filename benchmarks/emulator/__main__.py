"""Emulations beside Flower's simulation, and Fieldfare's alone at scale.

    python -m benchmarks.emulator null [--clients 100 1000] [--turns 3] [--rounds 10]
    python -m benchmarks.emulator training [--turns 3] [--rounds 20]
    python -m benchmarks.emulator million
    python -m benchmarks.emulator cohorts

"null": clients that compute nothing, 100,000 float32 weights; what is left is the machinery. "training": an MLP
784-200-200-10 on 100 devices of 600 examples, 10 a round, one local epoch in batches of 10; Flower's clients train it
with Keras as its own example does, Fieldfare's with LiteRT. "million": a population of a million devices, 1,000 of them
a round. "cohorts": what a device's part costs with 100, 1,000 and 10,000 devices a round.

Every run is a fresh process; sides take turns, figures are medians, ratios those of runs side by side. Updates a second
are those of the rounds after the first. Memory is the largest of looks once a second at all processes of a side (PSS).
Flower comes into a virtual environment in `--folder`; where it cannot be installed, Fieldfare runs alone.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.emulator.runs import ROOT, Timed, python, run
from benchmarks.emulator.scenarios import export_plan, null_scenario, training_scenario
from benchmarks.emulator.timed_trainer import TIMES
from benchmarks.measuring import ratios
from benchmarks.measuring.peer_environment import DEFAULT_FOLDER, CannotInstallError, flower_python

STORED = ROOT / "benchmarks" / "stored" / "emulator.json"
WEIGHTS = 100_000
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Sides:
    """What runs.

    Attributes:
        plans: folder for the exported plans.
        workers: Fieldfare's worker processes.
        flower: the interpreter of Flower's environment; None to leave it out.
    """

    plans: Path
    workers: int
    flower: Path | None


def fieldfare(folder: Path, scenario: Path, **environment: str) -> Timed:
    command = [python(), "-m", "benchmarks.emulator.fieldfare_side", scenario, folder / "results", folder / "progress"]
    (folder / "results").mkdir()
    return run(command, folder / "progress", environment={**os.environ, **environment})


def flower(interpreter: Path, folder: Path, *, kind: str, clients: int, population: int, rounds: int) -> Timed:
    words = [kind, clients, population, rounds, WEIGHTS, folder / "progress"]
    command = [interpreter, "-m", "benchmarks.emulator.flower_side", *map(str, words)]
    quiet = {"RAY_DEDUP_LOGS": "0", "FLWR_TELEMETRY_ENABLED": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    return run(command, folder / "progress", environment={**os.environ, **quiet})


def in_turn(turns: int, sides: dict[str, Callable[[Path], Timed]]) -> dict[str, list[Timed]]:
    """A B A B, each in a new folder."""
    found: dict[str, list[Timed]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, one in sides.items():
            with tempfile.TemporaryDirectory(prefix="fieldfare-emulator-") as folder:
                found[name].append(one(Path(folder)))
    return found


def per_second(timed: Timed, clients: int) -> float:
    return clients / statistics.median(timed.rounds_s)


def row(name: str, clients: int, runs: list[Timed]) -> str:
    first, speed, memory = (
        statistics.median(values)
        for values in (
            [one.first_s for one in runs],
            [per_second(one, clients) for one in runs],
            [one.all_bytes for one in runs],
        )
    )
    return f"| {name:<9} | {clients:>6,} | {first:8.2f} | {speed:10.1f} | {memory / _GB:6.2f} |"


def null(options: argparse.Namespace, sides: Sides) -> dict[str, ratios.Goal]:
    plan = sides.plans / "flat.tflite"
    export_plan(str(WEIGHTS), plan)
    print("| side      | clients | first round, s | updates/s | memory, GB |\n|---|---|---|---|---|", flush=True)
    goals = {}
    for clients in options.clients:

        def ours(folder: Path, clients: int = clients) -> Timed:
            scenario = null_scenario(
                folder, plan, clients=clients, devices=clients, rounds=options.rounds, workers=sides.workers
            )
            return fieldfare(folder, scenario)

        runs: dict[str, Callable[[Path], Timed]] = {"Fieldfare": ours}
        if sides.flower is not None:
            rounds = max(2, min(options.rounds, options.peer_updates // clients))
            runs["Flower"] = partial(
                flower, sides.flower, kind="null", clients=clients, population=clients, rounds=rounds
            )
        found = in_turn(options.turns, runs)
        for name, timed in found.items():
            print(row(name, clients, timed), flush=True)
        first = statistics.median(one.first_s for one in found["Fieldfare"])
        goals[f"seconds to the end of the first round, {clients} clients"] = ratios.Goal(first, 2.0, at_most=True)
        if "Flower" in found:
            pairs = list(zip(found["Fieldfare"], found["Flower"], strict=True))
            faster = statistics.median(per_second(a, clients) / per_second(b, clients) for a, b in pairs)
            less = statistics.median(a.all_bytes / b.all_bytes for a, b in pairs)
            goals[f"updates a second over Flower's, {clients} clients"] = ratios.Goal(faster, 20.0)
            goals[f"memory over Flower's, {clients} clients"] = ratios.Goal(less, 0.25, at_most=True)
    return goals


def training(options: argparse.Namespace, sides: Sides) -> dict[str, ratios.Goal]:
    plan, clients, rounds = sides.plans / "mlp.tflite", 10, options.rounds
    export_plan("mlp", plan)
    shares: list[float] = []

    def ours(folder: Path) -> Timed:
        scenario = training_scenario(folder, plan, clients=clients, rounds=rounds, workers=sides.workers)
        (folder / "times").mkdir()
        timed = fieldfare(folder, scenario, **{TIMES: str(folder / "times")})
        shares.append(idle_share(folder / "progress", folder / "times", sides.workers))
        return timed

    runs: dict[str, Callable[[Path], Timed]] = {"Fieldfare": ours}
    if sides.flower is not None:
        runs["Flower"] = partial(
            flower, sides.flower, kind="mlp", clients=clients, population=100, rounds=max(3, rounds // 4)
        )
    found = in_turn(options.turns, runs)
    print("| side      | rounds an hour | first round, s | memory, GB |\n|---|---|---|---|")
    for name, timed in found.items():
        hourly = statistics.median(3600 / statistics.median(one.rounds_s) for one in timed)
        first = statistics.median(one.first_s for one in timed)
        memory = statistics.median(one.all_bytes for one in timed) / _GB
        print(f"| {name:<9} | {hourly:10.0f} | {first:8.2f} | {memory:6.2f} |")
    goals = {"share of time that is not training": ratios.Goal(statistics.median(shares), 0.15, at_most=True)}
    if "Flower" in found:
        faster = statistics.median(
            statistics.median(b.rounds_s) / statistics.median(a.rounds_s)
            for a, b in zip(found["Fieldfare"], found["Flower"], strict=True)
        )
        goals["rounds an hour over Flower's"] = ratios.Goal(faster, 10.0)
    return goals


def idle_share(progress: Path, times: Path, workers: int) -> float:
    """Of the time from the end of the first round to that of the last: what the workers did not train in."""
    ends = [float(line) for line in progress.read_text().split()]
    first, last, trained = ends[0], ends[-1], 0.0
    for path in times.iterdir():
        for line in path.read_text().splitlines():
            began, ended = map(float, line.split())
            trained += max(0.0, min(ended, last) - max(began, first))
    return 1 - trained / (workers * (last - first))


def million(options: argparse.Namespace, sides: Sides) -> dict[str, ratios.Goal]:
    plan, clients, devices = sides.plans / "flat.tflite", 1000, 1_000_000
    export_plan(str(WEIGHTS), plan)

    def ours(folder: Path) -> Timed:
        scenario = null_scenario(
            folder, plan, clients=clients, devices=devices, rounds=options.rounds, workers=sides.workers
        )
        return fieldfare(folder, scenario)

    (timed,) = in_turn(1, {"Fieldfare": ours})["Fieldfare"]
    print("| side      | clients | first round, s | updates/s | memory, GB |\n|---|---|---|---|---|")
    print(row("Fieldfare", clients, [timed]))
    start_s = timed.first_s - statistics.median(timed.rounds_s)
    return {
        "seconds before a population of 1,000,000 is asked": ratios.Goal(start_s, 30.0, at_most=True),
        "GB with a population of 1,000,000": ratios.Goal(timed.all_bytes / _GB, 2.0, at_most=True),
    }


def cohorts(options: argparse.Namespace, sides: Sides) -> dict[str, ratios.Goal]:
    plan, sizes = sides.plans / "flat.tflite", (100, 1000, 10_000)
    export_plan(str(WEIGHTS), plan)
    runs: dict[str, Callable[[Path], Timed]] = {}
    for clients in sizes:

        def ours(folder: Path, clients: int = clients) -> Timed:
            rounds = max(3, options.rounds * 1000 // clients)
            scenario = null_scenario(
                folder, plan, clients=clients, devices=clients, rounds=rounds, workers=sides.workers
            )
            return fieldfare(folder, scenario)

        runs[str(clients)] = ours
    found = in_turn(options.turns, runs)
    costs = {
        clients: statistics.median(1e3 / per_second(one, clients) for one in found[str(clients)]) for clients in sizes
    }
    print("| devices a round | ms a device's part |\n|---|---|")
    for clients, cost in costs.items():
        print(f"| {clients:,} | {cost:.3f} |")
    return {
        "cost of a device's part, 10,000 a round over 100": ratios.Goal(costs[10_000] / costs[100], 1.5, at_most=True)
    }


_KINDS = {"null": null, "training": training, "million": million, "cohorts": cohorts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("--clients", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peer-updates", type=int, default=2000, help="of a run of Flower's with null clients")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without-peer", action="store_true", help="Fieldfare alone")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="for Flower's environment (%(default)s)")
    ratios.add_arguments(parser)
    options = parser.parse_args()
    interpreter, peer = None, "left out"
    if not options.without_peer and options.kind in {"null", "training"}:
        try:
            interpreter, peer = flower_python(options.folder, extra="simulation", besides=["tensorflow==2.21.0"])
        except CannotInstallError as error:
            peer = f"skipped, Flower cannot be installed here: {error}"
    measured = f"{_versions()}; peer: {peer}; {ratios.machine()}; {options.turns} turns of {options.rounds} rounds"
    print(measured, flush=True)
    with tempfile.TemporaryDirectory(prefix="fieldfare-emulator-plans-") as plans:
        goals = _KINDS[options.kind](options, Sides(Path(plans), options.workers, interpreter))
    ratios.settle(f"emulator, {options.kind}", goals, options, measured, path=STORED)


def _versions() -> str:
    from importlib import metadata

    return ", ".join(f"{one} {metadata.version(one)}" for one in ("fieldfare", "ai-edge-litert", "numpy"))


if __name__ == "__main__":
    main()
