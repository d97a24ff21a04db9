"""A training step of an exported plan on LiteRT beside the same step in Keras, one thread each, and peak memory.

    python -m benchmarks.training [--only cnn gru] [--optimizer adam] [--batch 4] [--repeats 9] [--store | --check]

Each way of training has a process of its own, all bound to one processor; they take turns, so that whatever else the
machine does hits them alike. A step's time is the processor time of its process, all threads together: on an idle
machine that is the time that passes, and on a busy one what it would be. A turn's figure is the median of its steps,
the table's is the median over the turns, and a ratio is the median of the ratios of turns that stood side by side.

`--store` writes the ratios to `benchmarks/stored/training.json`; `--check` ends with 1 where a plan has become clearly
slower, against Keras, than is stored there.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.training.models import CASES, DEFAULT_BATCH

STORED = Path(__file__).parents[1] / "stored" / "training.json"
SIDES = ("plan", "keras", "jit", "function")
# With ten busy processes on two cores a ratio differs by up to a quarter from run to run, since memory and caches are
# shared; a lost formulation costs a third and more, most of them half.
MARGIN = 1.35
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of a step and peak bytes of the process, by side; `ratios` are plan over side."""

    seconds: dict[str, float]
    ratios: dict[str, float]
    peak_bytes: dict[str, int]


class Worker:
    """One process of `worker.py`."""

    def __init__(self, arguments: list[str]) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _ONE_THREAD,
        )
        self._process, self._asks, self._answers = (
            process,
            cast("IO[str]", process.stdin),
            cast("IO[str]", process.stdout),
        )
        self.losses: list[float] = self._answer()["losses"]

    def turn(self, seconds: float) -> dict[str, Any]:
        print(seconds, file=self._asks, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            sys.exit(f"a worker ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._asks.close()
        self._process.wait()


def measure(name: str, options: argparse.Namespace, folder: Path) -> Result:
    plan, cpu = folder / f"{name}.tflite", str(max(os.sched_getaffinity(0)))
    words = [name, options.optimizer, str(plan), cpu, str(options.batch)]
    export = [sys.executable, "-m", "benchmarks.training.worker", "export", *words]
    subprocess.run(export, check=True, env=os.environ | _ONE_THREAD)
    turns: dict[str, list[float]] = {side: [] for side in SIDES}
    peaks: dict[str, int] = {}
    with ExitStack() as stack:
        workers = {}
        for side in SIDES:
            workers[side] = Worker([side, *words])
            stack.callback(workers[side].close)
        for _ in range(options.repeats):
            for side, worker in workers.items():
                answer = worker.turn(options.seconds)
                turns[side].append(answer["seconds"])
                peaks[side] = answer["peak_bytes"]
    ratios = {
        side: statistics.median(mine / other for mine, other in zip(turns["plan"], turns[side], strict=True))
        for side in SIDES[1:]
    }
    return Result({side: statistics.median(values) for side, values in turns.items()}, ratios, peaks)


def heading(options: argparse.Namespace) -> str:
    versions = ", ".join(f"{one} {metadata.version(one)}" for one in ("ai-edge-litert", "tensorflow", "keras"))
    return (
        f"{versions}, Python {platform.python_version()}, {platform.machine()}; batch {options.batch}, "
        f"{options.optimizer}, one thread, median of {options.repeats} turns of {options.seconds} s"
    )


def row(name: str, result: Result) -> str:
    times = "".join(f" | {result.seconds[side] * 1e3:8.3f}" for side in SIDES)
    faster = "".join(f" | {1 / result.ratios[side]:10.2f}" for side in SIDES[1:])
    memory = "".join(f" | {result.peak_bytes[side] / 1e6:8.0f}" for side in SIDES[:2])
    return f"| {CASES[name].title:<32}{times}{faster}{memory} |"


def problems(name: str, result: Result, stored: dict[str, float]) -> list[str]:
    """What `--check` has to say: the plan's time over Keras's, against what it was."""
    ratio = result.ratios["keras"]
    if name not in stored:
        return [f"{name}: no stored ratio; run with --store"]
    if ratio > stored[name] * MARGIN:
        return [f"{name}: a step takes {ratio:.2f} of Keras's time, stored is {stored[name]:.2f}"]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--optimizer", default="sgd", help="a name of keras.optimizers; stored ratios are for sgd")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH, help="examples of a step; stored ratios are for 16")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--store", action="store_true")
    action.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if (options.store or options.check) and options.batch != DEFAULT_BATCH:
        parser.error(f"stored ratios are for a batch of {DEFAULT_BATCH}: leave --batch out with --store and --check")
    stored: dict[str, Any] = json.loads(STORED.read_text()) if STORED.exists() else {"ratios_to_keras": {}}
    print(heading(options))
    titles = [f"{one:>8}" for one in SIDES] + [f"x {one:<8}" for one in SIDES[1:]] + ["MB plan", "MB keras"]
    print(f"| {'ms a step; x: faster than':<32} | {' | '.join(titles)} |")
    print(f"|{'|'.join(['---'] * (1 + len(titles)))}|", flush=True)
    complaints: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fieldfare-training-") as folder:
        for name in options.only:
            result = measure(name, options, Path(folder))
            print(row(name, result), flush=True)
            complaints += problems(name, result, stored["ratios_to_keras"]) if options.check else []
            stored["ratios_to_keras"][name] = round(result.ratios["keras"], 3)
    if options.store:
        stored["measured"] = heading(options)
        STORED.parent.mkdir(exist_ok=True)
        STORED.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
