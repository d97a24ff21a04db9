"""Check-ins a second, and their 99th percentile, with many devices connected, against a bare unary echo.

    python -m benchmarks.aggregator.checkins [--devices 2000] [--seconds 5] [--turns 5]

Two processes hold one connection for each device and call from `--threads` threads each, device after device, without
pause. The round of the aggregator's task is full after two, so all others are told to come back; the echo is the same
gRPC server whose handler returns a constant. Both keep all connections while they take turns.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import grpc
import numpy as np

from benchmarks.aggregator.drivers import Process, drive_check_ins, processes
from benchmarks.aggregator.servers import serve_aggregator, serve_bare
from benchmarks.measuring import ratios

DRIVERS = 2


def call(drivers: list[Process], address: str, seconds: float) -> tuple[float, float]:
    """Calls a second of all drivers together, and the 99th percentile of their seconds."""
    for driver in drivers:
        driver.tell((address, seconds))
    for driver in drivers:
        driver.hear()
    for driver in drivers:
        driver.tell("go")
    latencies = np.concatenate([driver.hear() for driver in drivers])
    return latencies.size / seconds, float(np.percentile(latencies, 99))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=8, help="of a process")
    ratios.add_arguments(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fieldfare-checkins-") as folder:
        ours, bare = Process(serve_aggregator, Path(folder) / "state", 4, 2), Process(serve_bare)
        share = options.devices // DRIVERS
        drivers = [Process(drive_check_ins, number * share, share, options.threads) for number in range(DRIVERS)]
        with processes(*drivers, ours, bare):
            (address, _), (floor, _) = ours.hear(), bare.hear()
            turns = [
                (call(drivers, address, options.seconds), call(drivers, floor, options.seconds))
                for _ in range(options.turns)
            ]
    measured = f"{options.devices} devices connected, {options.turns} turns of {options.seconds:g} s, "
    measured += f"grpcio {grpc.__version__}, {ratios.machine()}"
    print(measured)
    for name, found in zip(("aggregator", "bare echo"), zip(*turns, strict=True), strict=True):
        rate, p99 = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"  {name:<12} {rate:8.0f} check-ins a second, 99th percentile {1e3 * p99:6.1f} ms")
    ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in turns)
    slower = statistics.median(mine[1] / theirs[1] for mine, theirs in turns)
    goals = {
        "check-ins a second over a bare echo": ratios.Goal(ratio, 0.5),
        "99th percentile over a bare echo": ratios.Goal(slower, 2.0, at_most=True),
    }
    ratios.settle("checkins", goals, options, measured)


if __name__ == "__main__":
    main()
