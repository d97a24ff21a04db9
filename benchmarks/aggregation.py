"""Speed of the fixed-point sum against NumPy's in-place `acc += w * x`.

    .venv/bin/python benchmarks/aggregation.py [--weights 25000000] [--repeats 9]

Both run in this process in turn, A B A B; medians and their ratio are printed. Goal: at least 0.8 of NumPy's speed.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

from fieldfare.core.aggregation import FixedPointSum, SumBounds


def seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, default=25_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    update = np.random.default_rng(0).normal(0, 1e-2, options.weights).astype(np.float32)
    total = FixedPointSum(options.weights, SumBounds(256.0, 100_000, 10_000))
    accumulator = np.zeros(options.weights, np.float32)
    factor = np.float32(3)

    def numpy_floor() -> None:
        np.add(accumulator, factor * update, out=accumulator)

    def fixed_point() -> None:
        total.add(update, 3)

    times: dict[str, list[float]] = {"numpy": [], "fixed point": []}
    for action in (numpy_floor, fixed_point):
        action()
    for _ in range(options.repeats):
        times["numpy"].append(seconds(numpy_floor))
        times["fixed point"].append(seconds(fixed_point))
    print(
        f"{options.weights:,} float32 weights, {options.repeats} repeats, NumPy {np.__version__}, {platform.machine()}"
    )
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"  {name:<12} median {median * 1e3:7.1f} ms   {4e-9 * options.weights / median:5.2f} GB/s of updates")
    print(f"  speed of fixed point over NumPy: {medians['numpy'] / medians['fixed point']:.2f}")


if __name__ == "__main__":
    main()
