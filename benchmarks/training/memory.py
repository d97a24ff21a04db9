"""How much memory training with a plan takes, beside what `training_memory` says beforehand.

    python -m benchmarks.training.memory [--only cnn gru] [--optimizer adam] [--batch 16]

Each plan trains two steps and evaluates one batch in a fresh process. "took" is how far the process's peak (VmHWM) lies
above what it held before the plan was loaded, with LiteRT's modules imported; "says" is the estimate, by which a device
with `Limits(memory_bytes=...)` decides. Linux only.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.training.models import CASES, DEFAULT_BATCH
from benchmarks.training.worker import peak_bytes
from fieldfare.core.plans import PlanRuntime, read_manifest, training_memory

_MB = 1e6


def took(path: Path) -> int:
    """Bytes by which this process's peak grows while it trains."""
    import ai_edge_litert.interpreter  # noqa: F401 - its libraries are there before the measurement begins

    before = peak_bytes()
    runtime = PlanRuntime(path)
    manifest = runtime.manifest
    examples = {one.name: np.ones((manifest.batch_size, *one.shape), one.dtype) for one in manifest.example_specs}
    runtime.set_weights(runtime.get_weights())
    for _ in range(2):
        runtime.train_step(examples, learning_rate=manifest.learning_rate)
    runtime.evaluate_step(examples)
    return peak_bytes() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(took(options.measure))
        return
    print(f"{'':<36}{'plan':>8}{'took':>9}{'says':>9}   MB; batch {options.batch}, {options.optimizer}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            path = Path(folder) / f"{name}.tflite"
            _run("benchmarks.training.worker", "export", name, options.optimizer, str(path), "0", str(options.batch))
            real = int(_run("benchmarks.training.memory", "--measure", str(path)).splitlines()[-1])
            says = training_memory(path, read_manifest(path))
            size = path.stat().st_size
            print(f"{CASES[name].title:<36}{size / _MB:>8.1f}{real / _MB:>9.1f}{says / _MB:>9.1f}", flush=True)


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


if __name__ == "__main__":
    main()
