"""A BERT-base-sized encoder that trains with LoRA on LiteRT: plan size, export, peak memory and time of a step.

    .venv/bin/python benchmarks/large_model.py [--folder runs/large] [--steps 20] [--only int8 --only float32 ...]

12 layers, width 768, 12 heads, 30,522 words, 110 million random weights; LoRA of rank 8 on queries and values and a
classifier head train, on 128 tokens, batch 1, one thread. Every export and every training is a process of its own. The
plans train turn by turn, a step each, so that a busy machine slows all of them alike. "naive" is the plain recipe:
Keras's own `enable_lora`, TensorFlow's converter, and for int8 its `Optimize.DEFAULT`; it has no signature but `train`.

Goals: int8 plan under 130 MB, peak under 350 MB; float32 peak under 900 MB; a step no slower than the naive plan's; an
update under 2.5 MB; the loss falls.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, WIDTH, HEADS, HIDDEN, WORDS, TOKENS, CLASSES, RANK = 12, 768, 12, 3072, 30_522, 128, 2, 8
KINDS = ("naive float32", "float32", "naive int8", "int8")
RATE = 0.003


def encoder() -> Any:
    """BERT-base from Keras layers with random weights; takes token numbers, gives class probabilities."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(0)

    def heads(x: Any) -> Any:
        return layers.Permute((2, 1, 3))(layers.Reshape((TOKENS, HEADS, WIDTH // HEADS))(x))

    def attention(x: Any, name: str) -> Any:
        query, key, value = (heads(layers.Dense(WIDTH, name=f"{name}_{part}")(x)) for part in ("query", "key", "value"))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * (WIDTH // HEADS) ** -0.5
        mixed = layers.Permute((2, 1, 3))(ops.matmul(ops.softmax(scores), value))
        return layers.Dense(WIDTH, name=f"{name}_mixed")(layers.Reshape((TOKENS, WIDTH))(mixed))

    ids = keras.Input((TOKENS,), dtype="int32", name="ids")
    positions = layers.Embedding(512, WIDTH, name="positions")(ops.arange(TOKENS))
    x = layers.Embedding(WORDS, WIDTH, name="words")(ids) + positions
    x = layers.LayerNormalization(epsilon=1e-12)(x)
    for index in range(LAYERS):
        x = layers.LayerNormalization(epsilon=1e-12)(x + attention(x, f"layer{index}"))
        up = ops.gelu(layers.Dense(HIDDEN, name=f"layer{index}_up")(x), approximate=True)
        x = layers.LayerNormalization(epsilon=1e-12)(x + layers.Dense(WIDTH, name=f"layer{index}_down")(up))
    pooled = layers.Dense(WIDTH, activation="tanh", name="pool")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(ids, layers.Dense(CLASSES, activation="softmax", name="head")(pooled), name="encoder")


def examples(count: int) -> list[tuple[Any, Any]]:
    """A small task: the class tells from which half of the words an example is drawn."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int32) % CLASSES
    half = WORDS // CLASSES
    return [(rng.integers(0, half, (1, TOKENS), np.int32) + half * label, label[None]) for label in labels]


def export(kind: str, path: Path) -> None:
    """Write the plan of a kind."""
    if kind.startswith("naive"):
        _naive_export(path, int8=kind.endswith("int8"))
        return
    from fieldfare.converters import export_keras

    trainable = [f"lora:{RANK}:*_query", f"lora:{RANK}:*_value", "head"]
    loss, dtype = "sparse_categorical_crossentropy", "int8" if kind == "int8" else "float32"
    export_keras(encoder(), path, loss=loss, batch_size=1, trainable=trainable, frozen_dtype=dtype)


def _naive_export(path: Path, *, int8: bool) -> None:
    import tempfile

    import tensorflow as tf

    model = encoder()
    for layer in model.layers:
        layer.trainable = layer.name == "head" or layer.name.endswith(("_query", "_value"))
        if layer.name.endswith(("_query", "_value")):
            layer.enable_lora(RANK)
            layer.bias.trainable = False
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec((1, TOKENS), tf.int32), tf.TensorSpec((1,), tf.int32), tf.TensorSpec(())],
    )
    def train(ids: Any, label: Any, rate: Any) -> dict[str, Any]:
        variables = [variable.value for variable in model.trainable_variables]
        # Not a slice, whose gradient has no builtin.
        loss = -tf.math.log(tf.reduce_sum(model(ids) * tf.one_hot(label, CLASSES)))
        for variable, slope in zip(variables, tf.gradients(loss, variables), strict=True):
            variable.assign_sub(rate * tf.convert_to_tensor(slope))
        return {"loss": loss}

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"train": train.get_concrete_function()})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["train"])
        converter.experimental_enable_resource_variables = True
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(converter.convert())


def train(kind: str, path: Path) -> None:
    """Load a plan; then a step and a line of results for each line of input."""
    step, update = _stepper(kind, path)
    tasks = examples(4)
    for count, _ in enumerate(sys.stdin):
        ids, label = tasks[count % len(tasks)]
        begin, cpu = time.perf_counter(), time.process_time()
        loss = step(ids, label)
        figures = {"loss": loss, "s": time.perf_counter() - begin, "cpu_s": time.process_time() - cpu}
        print(json.dumps(figures | {"peak_mb": _peak_mb(), "update_mb": update / 1e6}), flush=True)


def _stepper(kind: str, path: Path) -> tuple[Any, float]:
    """A function of one example to its loss, and the bytes of an update."""
    if kind.startswith("naive"):
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path), num_threads=1).get_signature_runner("train")
        return lambda ids, label: float(runner(ids=ids, label=label, rate=np.float32(RATE))["loss"]), float("nan")
    from fieldfare.core.plans import PlanRuntime

    runtime = PlanRuntime(path)
    ids_name, label_name = (spec.name for spec in runtime.manifest.example_specs)
    update = sum(4 * spec.size for spec in runtime.manifest.weight_specs)
    return lambda ids, label: runtime.train_step({ids_name: ids, label_name: label}, learning_rate=RATE), update


def _peak_mb() -> float:
    """VmHWM of this process: `ru_maxrss` would hold what the parent had when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(one.split()[1]) for one in lines if one.startswith("VmHWM")) / 1024


def _gradient_differences(folder: Path) -> None:
    """How far the weights' first step in int8 is from that in float32."""
    from fieldfare.core.plans import PlanRuntime

    (ids, label), steps, losses = examples(1)[0], [], []
    for kind in ("float32", "int8"):
        runtime = PlanRuntime(_path(folder, kind))
        before = runtime.get_weights()
        names = [spec.name for spec in runtime.manifest.example_specs]
        losses.append(runtime.train_step(dict(zip(names, (ids, label), strict=True)), learning_rate=RATE))
        steps.append(runtime.get_weights() - before)
        del runtime
    exact, rounded = steps
    cosine = float(exact @ rounded / np.linalg.norm(exact) / np.linalg.norm(rounded))
    relative = float(np.linalg.norm(rounded - exact) / np.linalg.norm(exact))
    print(f"int8 against float32, first step: loss {losses[1]:.4f} against {losses[0]:.4f};")
    print(f"  gradient: cosine {cosine:.4f}, norm of the difference {relative:.3f} of the gradient's norm")


def _path(folder: Path, kind: str) -> Path:
    return folder / f"{kind.replace(' ', '_')}.tflite"


def _worker(job: str, kind: str, folder: Path) -> list[str]:
    return [sys.executable, __file__, "--folder", str(folder), "--worker", job, kind]


def _export_all(kinds: list[str], folder: Path) -> None:
    for kind in kinds:
        if _path(folder, kind).exists():
            continue
        begin = time.perf_counter()
        subprocess.run(_worker("export", kind, folder), check=True, stderr=subprocess.DEVNULL)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"exported {kind}: {time.perf_counter() - begin:.0f} s; largest export so far {peak:,.0f} MB", flush=True)


def _train_all(kinds: list[str], folder: Path, steps: int) -> dict[str, list[dict[str, float]]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    workers = {kind: subprocess.Popen(_worker("train", kind, folder), **pipes) for kind in kinds}
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(steps):
        for kind, worker in workers.items():
            worker.stdin.write("\n")
            worker.stdin.flush()
            results[kind].append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/large"), help="plans that are there are not made anew"
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        job, kind = options.worker
        {"export": export, "train": train}[job](kind, _path(options.folder, kind))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    kinds = options.only or list(KINDS)
    _export_all(kinds, options.folder)
    print(f"{'':<14} {'plan':>8} {'peak':>8} {'step':>8} {'cpu':>8} {'update':>9}  loss, first and last 4 steps")
    for kind, rows in _train_all(kinds, options.folder, options.steps).items():
        size = _path(options.folder, kind).stat().st_size / 1e6
        # The first step prepares the kernels.
        wall, cpu = (statistics.median(row[key] for row in rows[1:]) for key in ("s", "cpu_s"))
        losses = [row["loss"] for row in rows]
        first, last = np.mean(losses[:4]), np.mean(losses[-4:])
        peak, update = rows[-1]["peak_mb"], rows[-1]["update_mb"]
        times = f"{wall:6.3f} s {cpu:6.3f} s"
        print(f"{kind:<14} {size:5.0f} MB {peak:5.0f} MB {times} {update:6.2f} MB  {first:.3f} {last:.3f}")
    if {"int8", "float32"} <= set(kinds):
        _gradient_differences(options.folder)


if __name__ == "__main__":
    main()
