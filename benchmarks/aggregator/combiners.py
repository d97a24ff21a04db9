"""What robust combiners cost at a commit: CPU-seconds and memory beside the updates that are held.

    python -m benchmarks.aggregator.combiners [--weights 1000000] [--updates 50] [--repeats 3]

CPU time of this one thread, so that other load on the machine counts little; the least of the repeats is printed.
"""

import argparse
import platform
import time
import tracemalloc

import numpy as np

from fieldfare.core.aggregation import combine
from fieldfare.core.tasks import AggregationSpec, Combiner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    chance = np.random.default_rng(0)
    updates = [chance.normal(0, 1e-2, options.weights).astype(np.float32) for _ in range(options.updates)]
    held = sum(one.nbytes for one in updates) / 1e6
    print(
        f"{options.updates} updates of {options.weights:,} float32 weights, {held:.0f} MB held, "
        f"NumPy {np.__version__}, {platform.machine()}"
    )
    for combiner in [one for one in Combiner if one is not Combiner.MEAN]:
        spec = AggregationSpec(combiner=combiner, byzantine=2, krum_selected=5)
        seconds = []
        for _ in range(options.repeats):
            start = time.process_time()
            combine(spec, updates)
            seconds.append(time.process_time() - start)
        tracemalloc.start()
        combine(spec, updates)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"  {combiner.name:<13} {min(seconds):6.2f} CPU-seconds, {peak:5.1f} MB beside the updates")


if __name__ == "__main__":
    main()
