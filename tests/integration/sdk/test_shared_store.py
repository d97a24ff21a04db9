"""Several processes add examples, with limits, while a device trains on them."""

import subprocess
import sys
from datetime import timedelta

from fieldfare.core.sessions import Ended
from fieldfare.sdk import StoreLimits
from tests.support.device_bench import Bench

WRITERS, ADDITIONS = 3, 40
ADD = f"""
import sys
from fieldfare.sdk import ExampleStore
with ExampleStore.open(sys.argv[1]) as store:
    print("ready", flush=True)
    for index in range({ADDITIONS}):
        store.add({{"x": [index / 10], "y": [index / 5]}}, key=str(index), collection=sys.argv[2])
"""


def test_a_device_trains_while_others_add(bench: Bench) -> None:
    bench.store.set_limits(StoreLimits(max_examples=100, max_age=timedelta(days=1)))
    commands = [[sys.executable, "-c", ADD, str(bench.store.path), name] for name in "abc"]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    rounds = 0
    with bench.device() as device:
        while rounds == 0 or (rounds < 5 and any(writer.poll() is None for writer in writers)):
            bench.offer()
            assert device.run_once().ended is Ended.COUNTED
            rounds += 1
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    counts = [report.header.example_count for report in bench.aggregator.reports]
    assert len(counts) == rounds
    assert max(counts) <= 100
    # The twenty of the bench came first, and went first.
    assert sum(bench.store.collections().values()) == 100
    assert bench.store.collections()["default"] == 0
    bench.check_ledger()
