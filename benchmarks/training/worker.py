"""A process that trains one model in one way, a turn at a time.

    python -m benchmarks.training.worker SIDE CASE OPTIMIZER PLAN CPU BATCH

Each line on standard input asks for a turn of about that many seconds; the answer is a line of JSON with the median
seconds of a step and the peak resident size so far. SIDE "export" writes the plan instead and ends.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.training.models import CASES, Case, examples

LOSS = "sparse_categorical_crossentropy"
RATE = 0.01
_LEAST_STEPS = 3
_WARM_UP_STEPS = 5


def export(case: Case, optimizer: str, plan: Path, batch: int) -> None:
    from fieldfare.converters import export_keras

    export_keras(case.build(), plan, loss=LOSS, optimizer=optimizer, learning_rate=RATE, batch_size=batch)


def plan_step(case: Case, plan: Path, size: int) -> Callable[[], float]:
    from fieldfare.core.plans import PlanRuntime

    runtime = PlanRuntime(plan)
    inputs, labels = examples(case, size)
    batch = {runtime.manifest.input_specs[0].name: inputs, "label": labels}
    return lambda: runtime.train_step(batch, learning_rate=RATE)


def keras_step(case: Case, optimizer: str, size: int, *, jit: bool) -> Callable[[], float]:
    model, _ = _built(case, optimizer, jit=jit)
    inputs, labels = examples(case, size)
    return lambda: float(model.train_on_batch(inputs, labels))


def function_step(case: Case, optimizer: str, size: int) -> Callable[[], float]:
    model, tf = _built(case, optimizer, jit=False)
    inputs, labels = examples(case, size)
    rule = model.optimizer
    rule.build(model.trainable_variables)

    @tf.function
    def step(inputs: Any, labels: Any) -> Any:
        import keras

        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, outputs))
        rule.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return lambda: float(step(tf.convert_to_tensor(inputs), tf.convert_to_tensor(labels)))


def _built(case: Case, optimizer: str, *, jit: bool) -> tuple[Any, Any]:
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = case.build()
    rule = keras.optimizers.get(optimizer)
    rule.learning_rate = RATE
    model.compile(rule, LOSS, jit_compile=jit)
    return model, tf


def peak_bytes() -> int:
    """VmHWM; `ru_maxrss` would count what the parent had before it started this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def turn(step: Callable[[], float], seconds: float) -> float:
    """Median seconds of the steps that fit into a turn."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < _LEAST_STEPS or time.perf_counter() < end:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    side, name, optimizer, path, cpu, batch = sys.argv[1:]
    case, plan, size = CASES[name], Path(path), int(batch)
    if side == "export":
        export(case, optimizer, plan, size)
        return
    os.sched_setaffinity(0, {int(cpu)})
    makers: dict[str, Callable[[], Callable[[], float]]] = {
        "plan": lambda: plan_step(case, plan, size),
        "keras": lambda: keras_step(case, optimizer, size, jit=False),
        "jit": lambda: keras_step(case, optimizer, size, jit=True),
        "function": lambda: function_step(case, optimizer, size),
    }
    step = makers[side]()
    losses = [step() for _ in range(_WARM_UP_STEPS)]
    print(json.dumps({"losses": losses}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": turn(step, float(line)), "peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
