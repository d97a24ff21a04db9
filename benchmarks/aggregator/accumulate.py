"""Speed of the fixed-point sum against NumPy's in-place `acc += w * x`.

    python -m benchmarks.aggregator.accumulate [--weights 25000000] [--repeats 15]

The floor is what a NumPy user writes for float32 accumulation without a temporary of the model's size: block by block,
`np.multiply(x, w, out=buffer)` and `acc += buffer`, with the block length that is fastest here of several. The plain
line `acc += w * x`, which allocates, is shown beside it. All run in this process in turn, A B C A B C; figures are
medians, ratios those of turns side by side. Bytes are those of the update.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.measuring import ratios
from fieldfare.core.aggregation import FixedPointSum, SumBounds

BLOCKS = (1 << 12, 1 << 14, 1 << 15, 1 << 16, 1 << 18)
WEIGHT = 3


def seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def blockwise(update: np.ndarray, accumulator: np.ndarray, block: int) -> Callable[[], None]:
    """The floor with one block length."""
    buffer, factor = np.empty(block, np.float32), np.float32(WEIGHT)

    def run() -> None:
        for start in range(0, update.size, block):
            part = update[start : start + block]
            scaled = buffer[: part.size]
            np.multiply(part, factor, out=scaled)
            accumulator[start : start + block] += scaled

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, default=25_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    ratios.add_arguments(parser)
    options = parser.parse_args()
    update = np.random.default_rng(0).normal(0, 1e-2, options.weights).astype(np.float32)
    bounds = SumBounds(256.0, 100_000, 10_000)
    total = FixedPointSum(options.weights, bounds)
    accumulator = np.zeros(options.weights, np.float32)
    candidates = {block: blockwise(update, accumulator, block) for block in BLOCKS}
    trial = {block: min(seconds(run) for _ in range(3)) for block, run in candidates.items()}
    best = min(trial, key=lambda block: trial[block])

    def plain() -> None:
        np.add(accumulator, np.float32(WEIGHT) * update, out=accumulator)

    actions = {
        f"NumPy, blocks of {best}": candidates[best],
        "NumPy, acc += w * x": plain,
        "fixed point": lambda: total.add(update, WEIGHT),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(options.repeats):
        for name, action in actions.items():
            times[name].append(seconds(action))
    check(total, update, 2.0**-bounds.fraction_bits)
    measured = (
        f"{options.weights:,} float32 weights, {options.repeats} turns, NumPy {np.__version__}, {ratios.machine()}"
    )
    print(measured)
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<28} {median * 1e3:8.2f} ms  {4e-9 * options.weights / median:6.2f} GB/s of updates")
    floor, plainly, ours = times.values()
    against = statistics.median(one / mine for one, mine in zip(floor, ours, strict=True))
    allocating = statistics.median(one / mine for one, mine in zip(plainly, ours, strict=True))
    goals = {
        "speed of the sum over NumPy block by block": ratios.Goal(against, 0.8),
        "speed of the sum over acc += w * x": ratios.Goal(allocating, 0.8),
    }
    ratios.settle("accumulate", goals, options, measured)


def check(total: FixedPointSum, update: np.ndarray, quantum: float) -> None:
    """All updates were the same, so the mean is that update to the quantum."""
    if not np.allclose(total.mean(), update, rtol=1e-6, atol=quantum):
        raise SystemExit("the mean is wrong")


if __name__ == "__main__":
    main()
