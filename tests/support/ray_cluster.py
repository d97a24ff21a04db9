"""A Ray cluster of two nodes on this machine, small and quiet, and gone afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

VICTIM = "FIELDFARE_TEST_VICTIM"
"""Names the file that holds the id of the node which `node_killer` is to take down."""
_STORE_BYTES = 80 * 2**20


@dataclass(frozen=True)
class TwoNodes:
    """A head with one CPU, and another node with one."""

    address: str
    other: str
    victim: Path
    """While this file holds a node's id, a `NodeKiller` on that node kills it, once."""


@contextmanager
def two_nodes(folder: Path) -> Iterator[TwoNodes]:
    """Skips the test where Ray is not installed."""
    pytest.importorskip("ray", reason='Ray is not installed: pip install "fieldfare[ray]"')
    from ray.cluster_utils import Cluster

    victim = folder / "victim"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VICTIM, str(victim))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # What Ray's processes run is found as it is found here.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))
        before = set(_of_ray())
        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            other = cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
            yield TwoNodes(cluster.address, other.node_id, victim)
        finally:
            cluster.shutdown()
            left = [one for one in _of_ray() if one not in before]
            psutil.wait_procs(left, timeout=10)
    assert not [one for one in left if one.is_running()]


def _of_ray() -> list[psutil.Process]:
    """Processes of Ray under this one, or that have outlived their parents."""
    mine = psutil.Process().children(recursive=True)
    lost = [one for one in psutil.process_iter() if one.ppid() == 1]
    return [one for one in {*mine, *lost} if _is_of_ray(one)]


def _is_of_ray(process: psutil.Process) -> bool:
    try:
        return any("ray/core/src/ray" in word or word.startswith("ray::") for word in process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
