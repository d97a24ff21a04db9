"""LiteRT's two APIs over the same plans: `Interpreter`, which `PlanRuntime` calls, and `CompiledModel`.

    python -m benchmarks.training.runtimes [--only cnn gru] [--optimizer adam] [--batch 16] [--repeats 3]

Each runs in processes of its own, one thread, turn by turn. A step's time is the processor time of the process, the
arrays in and the loss out included; "same" says whether the weights after ten steps have the same bits. `flag 8` lets
XNNPACK take products whose weights are computed.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training.models import CASES, DEFAULT_BATCH, Case, examples
from benchmarks.training.worker import RATE, peak_bytes, turn
from fieldfare.core.plans import Manifest, PlanRuntime, read_manifest

KINDS = ("interpreter", "compiled", "flag 8")
_STEPS = 10
_Arrays = dict[str, NDArray[Any]]


class Compiled:
    """The signatures `train` and `get_weights` by `CompiledModel`; buffers are made once."""

    def __init__(self, path: Path, manifest: Manifest, *, flags: int | None) -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.cpu_options import CpuOptions
        from ai_edge_litert.options import Options

        options = Options(cpu_options=CpuOptions(num_threads=1, xnnpack_flags=flags))
        self._model = CompiledModel.from_file(str(path), options=options)
        self._manifest = manifest
        lists = self._model.get_signature_list()
        self._inputs = {key: self._model.create_input_buffer_by_name("train", key) for key in lists["train"]["inputs"]}
        self._outputs = {
            name: {key: self._model.create_output_buffer_by_name(name, key) for key in lists[name]["outputs"]}
            for name in ("train", "get_weights")
        }

    def step(self, feeds: _Arrays) -> float:
        for key, array in feeds.items():
            self._inputs[key].write(array)
        self._model.run_by_name("train", self._inputs, self._outputs["train"])
        return float(self._outputs["train"]["loss"].read(1, np.float32)[0])

    def weights(self) -> NDArray[np.float32]:
        self._model.run_by_name("get_weights", {}, self._outputs["get_weights"])
        buffers = self._outputs["get_weights"]
        return np.concatenate([buffers[one.key].read(one.spec.size, np.float32) for one in self._manifest.weights])


def stepper(
    kind: str, case: Case, path: Path, size: int
) -> tuple[Callable[[], float], Callable[[], NDArray[np.float32]]]:
    """A training step on one batch, and the weights."""
    manifest = read_manifest(path)
    inputs, labels = examples(case, size)
    if kind == "interpreter":
        runtime = PlanRuntime(path)
        batch = {manifest.inputs[0].spec.name: inputs, manifest.targets[0].spec.name: labels}
        return lambda: runtime.train_step(batch, learning_rate=RATE), runtime.get_weights
    compiled = Compiled(path, manifest, flags=8 if kind == "flag 8" else None)
    feeds = {
        manifest.inputs[0].key: inputs,
        manifest.targets[0].key: labels,
        "example_weight": np.ones(size, np.float32),
        "learning_rate": np.full(1, RATE, np.float32),
    }
    return lambda: compiled.step(feeds), compiled.weights


def measure(kind: str, name: str, path: Path, size: int) -> dict[str, Any]:
    """In this process: median seconds of a step, peak bytes, and what ten steps lead to."""
    step, weights = stepper(kind, CASES[name], path, size)
    for _ in range(_STEPS):
        step()
    digest = hashlib.sha256(weights().tobytes()).hexdigest()
    return {"seconds": turn(step, 1.0), "peak_bytes": peak_bytes(), "digest": digest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("KIND", "CASE", "PLAN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        kind, name, path = options.measure
        print(json.dumps(measure(kind, name, Path(path), options.batch)))
        return
    print("| ms a step / MB peak | " + " | ".join(KINDS) + " | same |\n|---|" + "---|" * (len(KINDS) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            path = Path(folder) / f"{name}.tflite"
            _run("benchmarks.training.worker", "export", name, options.optimizer, str(path), "0", str(options.batch))
            print(_row(name, path, options.batch, options.repeats), flush=True)


def _row(name: str, path: Path, batch: int, repeats: int) -> str:
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(repeats):
        for kind in KINDS:
            answer = _run("benchmarks.training.runtimes", "--batch", str(batch), "--measure", kind, name, str(path))
            found[kind].append(json.loads(answer.splitlines()[-1]))
    cells = [
        f"{1000 * statistics.median(one['seconds'] for one in all_):.3f} / {all_[0]['peak_bytes'] / 1e6:.0f}"
        for all_ in found.values()
    ]
    digests = [{one["digest"] for one in found[kind]} for kind in KINDS]
    same = ", ".join("yes" if one == digests[0] else "no" for one in digests[1:])
    return f"| {CASES[name].title} | {' | '.join(cells)} | {same} |"


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


if __name__ == "__main__":
    main()
