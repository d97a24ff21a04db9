"""Reports taken in, in GB/s, against a bare gRPC client stream of the same chunks whose bytes are thrown away.

    python -m benchmarks.aggregator.ingest [--weights 1000000] [--reports 64] [--turns 5]

Two processes send float32 updates in chunks as the SDK does, each with `--threads` reports under way. They send them to
an aggregator with its defaults, which checks, hashes, decodes, adds and makes durable, and to the same gRPC server
whose handler drops every message; A B A B. A turn's speed is that from the first report sent to the last receipt. At
the end the aggregator's checkpoint is compared with the mean.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import grpc

from benchmarks.aggregator.drivers import Process, drive_reports, processes
from benchmarks.aggregator.servers import mean_error, serve_aggregator, serve_bare
from benchmarks.measuring import ratios
from benchmarks.measuring.processes import cpu_seconds
from fieldfare.protos.v1 import aggregator_pb2

DRIVERS = 2
LARGEST_ERROR = 1e-5


def send(drivers: list[Process], address: str, first: int, reports: int, *, real: bool, settle: bool = True) -> float:
    """Seconds for so many reports, shared among the drivers; without `settle` they may be pending at the end."""
    share = reports // len(drivers)
    for number, driver in enumerate(drivers):
        driver.tell((address, first + number * share, first + (number + 1) * share, real, settle))
    for driver in drivers:
        driver.hear()
    for driver in drivers:
        driver.tell("go")
    answers = [driver.hear() for driver in drivers]
    good = {aggregator_pb2.RECEIPT_STATUS_ACCEPTED} | (set() if settle else {aggregator_pb2.RECEIPT_STATUS_PENDING})
    if not all(good.issuperset(statuses) for _, _, statuses in answers):
        raise SystemExit("a report was not accepted")
    return float(max(end for _, end, _ in answers) - min(start for start, _, _ in answers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--reports", type=int, default=128, help="in a turn, which is a round; even")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=32, help="reports of a process under way at the same time")
    ratios.add_arguments(parser)
    options = parser.parse_args()
    turns = options.turns + 1
    with tempfile.TemporaryDirectory(prefix="fieldfare-ingest-") as folder:
        ours = Process(serve_aggregator, Path(folder) / "state", options.weights, options.reports, turns)
        bare = Process(serve_bare)
        drivers = [Process(drive_reports, options.weights, options.threads) for _ in range(DRIVERS)]
        with processes(*drivers, ours, bare):
            (address, admin), (floor, _) = ours.hear(), bare.hear()
            seconds: list[tuple[float, float]] = []
            cpu = [0.0, 0.0]
            for turn in range(turns):
                first = turn * options.reports
                before = [cpu_seconds([ours.pid]), cpu_seconds([bare.pid])]
                mine = send(drivers, address, first, options.reports, real=True)
                seconds.append((mine, send(drivers, floor, first, options.reports, real=False)))
                if turn:
                    cpu[0] += cpu_seconds([ours.pid]) - before[0]
                    cpu[1] += cpu_seconds([bare.pid]) - before[1]
            if (error := mean_error(admin, options.weights, turns)) > LARGEST_ERROR:
                raise SystemExit(f"the mean is off by {error:g}")
    # The first turn connects and warms up.
    measured = f"{options.weights:,} float32 weights, {options.turns} turns of {options.reports} reports, "
    measured += f"grpcio {grpc.__version__}, {ratios.machine()}"
    print(measured)
    gigabytes = 4e-9 * options.weights * options.reports
    for name, times, spent in zip(("aggregator", "bare stream"), zip(*seconds[1:], strict=True), cpu, strict=True):
        each = 1e3 * spent / (options.turns * options.reports)
        print(f"  {name:<12} {gigabytes / statistics.median(times):.2f} GB/s, {each:.1f} server CPU ms a report")
    ratio = statistics.median(theirs / mine for mine, theirs in seconds[1:])
    ratios.settle("ingest", {"ingest over a bare stream": ratios.Goal(ratio, 0.7)}, options, measured)


if __name__ == "__main__":
    main()
