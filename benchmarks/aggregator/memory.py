"""Resident memory of the aggregator over the updates of one round.

    python -m benchmarks.aggregator.memory [--updates 2000] [--few 100] [--weights 1000000] [--image FILE]

Two processes send the updates, each with `--threads` under way, to an aggregator with its defaults in a process of its
own. Memory is looked at before the first and after each of `--parts` parts of them, and compared with a second round of
fewer updates in a fresh process. At the end the checkpoint is compared with the mean.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.aggregator.drivers import Process, drive_reports, processes
from benchmarks.aggregator.ingest import DRIVERS, LARGEST_ERROR, send
from benchmarks.aggregator.servers import mean_error, serve_aggregator
from benchmarks.measuring import ratios
from benchmarks.measuring.processes import rss_bytes

ALLOWED_MODELS = 3
ALLOWED_BYTES = 64e6


def curve(updates: int, weights: int, threads: int, parts: int) -> list[tuple[int, float]]:
    """Updates taken in, and by how many bytes the process has grown since before the first."""
    part = updates // parts // DRIVERS * DRIVERS
    with tempfile.TemporaryDirectory(prefix="fieldfare-memory-") as folder:
        server = Process(serve_aggregator, Path(folder) / "state", weights, part * parts)
        drivers = [Process(drive_reports, weights, threads) for _ in range(DRIVERS)]
        with processes(*drivers, server):
            address, admin = server.hear()
            before = rss_bytes(server.pid)
            points = [(0, 0.0)]
            for number in range(parts):
                send(drivers, address, number * part, part, real=True, settle=number == parts - 1)
                points.append(((number + 1) * part, rss_bytes(server.pid) - before))
            if (error := mean_error(admin, weights)) > LARGEST_ERROR:
                raise SystemExit(f"the mean is off by {error:g}")
    return points


def draw(curves: dict[str, list[tuple[int, float]]], limit: float, image: Path) -> None:
    """Megabytes over updates, as an SVG that does not change when the figures do not."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "fieldfare"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for name, points in curves.items():
        axes.plot([count for count, _ in points], [grown / 1e6 for _, grown in points], marker=".", label=name)
    axes.axhline(limit / 1e6, color="grey", linestyle="--", label="three models and 64 MB")
    axes.set(xlabel="updates of 1 M weights in the round", ylabel="MB grown", ylim=(0, None))
    axes.legend()
    figure.savefig(image, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=4, help="reports of a process under way at the same time")
    parser.add_argument("--parts", type=int, default=20, help="looks at the memory, evenly over the updates")
    parser.add_argument("--image", type=Path, help="draw the curves into this SVG file")
    ratios.add_arguments(parser)
    options = parser.parse_args()
    curves = {
        f"a round of {updates:,}": curve(updates, options.weights, options.threads, options.parts)
        for updates in (options.few, options.updates)
    }
    limit = ALLOWED_MODELS * 4.0 * options.weights + ALLOWED_BYTES
    measured = f"{options.weights:,} float32 weights, {2 * options.threads} reports at a time, {ratios.machine()}"
    print(measured)
    for name, points in curves.items():
        print(f"  {name}: " + ", ".join(f"{grown / 1e6:.0f} MB at {count}" for count, grown in points[1:]))
    if options.image:
        draw(curves, limit, options.image)
    grown = max(size for _, size in curves[f"a round of {options.updates:,}"])
    goals = {"growth over what is allowed": ratios.Goal(grown / limit, 1.0, at_most=True)}
    ratios.settle("memory", goals, options, measured)


if __name__ == "__main__":
    main()
