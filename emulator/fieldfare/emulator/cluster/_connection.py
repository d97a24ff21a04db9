"""A Ray cluster for the time of a run: one that is running, or one that is started here."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from fieldfare.core.addresses import parse_address
from fieldfare.core.wording import one_line
from fieldfare.emulator.workers import WorkersError

# For checkpoints, orders and results, beside the examples.
_STORE_BYTES = 2**28
_REACH_S = 10.0
_FIELD = "engine.ray_address"


@contextmanager
def ray_cluster(address: str | None, workers: int, examples_bytes: int) -> Iterator[None]:
    """Join a cluster, or start one on this machine; leave it, or stop it, in the end.

    A program that has called `ray.init` itself keeps its connection, and the address is not looked at.

    Args:
        address: "HOST:PORT" of the cluster's head, or "auto" for the one of which `ray start` has made this machine a
            part; None starts one.
        workers: CPUs of one that is started.
        examples_bytes: what every node must be able to hold.

    Raises:
        ConfigError: an address that cannot be read.
        WorkersError: no cluster answers; the examples do not fit.
    """
    if ray.is_initialized():
        _check_room(examples_bytes)
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Ray's makers are told nothing of who runs it, unless whoever runs it has said so.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        store = _STORE_BYTES + examples_bytes + examples_bytes // 4
        # "local", or Ray would join whatever runs on this machine.
        ray.init(address="local", num_cpus=workers, include_dashboard=False, object_store_memory=store, **quiet)
    else:
        _join(address, quiet)
    try:
        _check_room(examples_bytes)
        yield
    finally:
        ray.shutdown()


def _join(address: str, quiet: dict[str, Any]) -> None:
    """Raise `WorkersError` where nobody is there; Ray itself would go on calling for very long."""
    how = (
        "`ray start --head` begins a cluster, `ray start --address=HOST:PORT` has this machine join it; "
        "a cluster that asks for a token needs RAY_AUTH_MODE=token"
    )
    if address != "auto":
        head = parse_address(address, field=_FIELD)
        try:
            socket.create_connection((head.host, head.port), timeout=_REACH_S).close()
        except OSError as error:
            raise WorkersError(f"no Ray cluster answers at {address} ({error.strerror or error}): {how}") from error
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkersError(f"Ray cannot join {address} ({one_line(str(error))}): {how}") from error


def _check_room(examples_bytes: int) -> None:
    # Safe: a node without CPUs gets no worker, and so no examples.
    nodes = [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU", 0) >= 1]
    for node in nodes:
        room = int(node["Resources"].get("object_store_memory", 0))
        if room < examples_bytes:
            raise WorkersError(
                f"the examples have {examples_bytes:,} bytes, and the object store of the Ray node "
                f"{node['NodeManagerAddress']} has {room:,}: start it with a larger --object-store-memory"
            )
