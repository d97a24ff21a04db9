"""What it costs to draw the behaviour of a large fleet, and to ask it who is available.

    python -m benchmarks.emulator.behaviour --devices 1000000

For each kind of fleet, in a process of its own: seconds to draw it, and by how much the process's largest memory grows;
milliseconds to look at all devices, at 4,096 of them, and for when the next one comes; microseconds for one device's
part in a round. The fastest of five.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np

from fieldfare.emulator.devices import Load, draw_behaviour
from fieldfare.emulator.scenario import ConditionSettings, FleetSettings

NOW = datetime(2024, 1, 2, 15, tzinfo=UTC)
LOAD = Load(bytes_down=10**6, examples=100, training=True, bytes_up=10**6)
FEW, PARTS, REPEATS = 4096, 1000, 5
ASKED = ConditionSettings(on_power=True, unmetered=True, min_user_idle=timedelta(minutes=10))
FLEETS = {
    "always": FleetSettings(),
    "by night": FleetSettings(available_for=timedelta(hours=6)),
    "phones": FleetSettings(profile="phones", conditions=ASKED),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", type=int, default=1_000_000)
    devices = parser.parse_args().devices
    print("| fleet | draw | memory | all | 4,096 | next | one part | available |\n|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        for name, settings in FLEETS.items():
            print(f"| {name} | {processes.submit(measure, settings, devices).result()} |", flush=True)


def measure(settings: FleetSettings, devices: int) -> str:
    """The cells of a row."""
    before, began = _peak_mb(), time.perf_counter()
    fleet = draw_behaviour(settings, devices, seed=1)
    drawn, memory = time.perf_counter() - began, _peak_mb() - before
    few, everybody = np.random.default_rng(1).integers(0, devices, FEW), np.ones(devices, np.bool_)
    looks: tuple[Callable[[], object], ...] = (
        lambda: fleet.availability.at(NOW),
        lambda: fleet.availability.at(NOW, few),
        lambda: fleet.availability.next_begin(NOW, everybody),
    )
    times = [f"{1e3 * _fastest(look):.2f} ms" for look in looks]

    def parts() -> None:
        for device in range(PARTS):
            course = fleet.course(device, NOW, LOAD)
            fleet.spent(device, course, min(course.takes, fleet.availability.left(device, NOW)))

    share = fleet.availability.at(NOW).mean()
    part = f"{1e6 * _fastest(parts) / PARTS:.0f} µs"
    return " | ".join([f"{drawn:.2f} s", f"{memory:.0f} MB", *times, part, f"{100 * share:.0f} %"])


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
