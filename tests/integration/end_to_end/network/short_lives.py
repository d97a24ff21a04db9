"""A device in a process of its own that starts in a moment: its parent has imported everything before it forks."""

import multiprocessing
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fieldfare.core.plans import runtime_version
from fieldfare.sdk import ExampleStore
from tests.integration.end_to_end.network.setting import HASTY
from tests.support.fleet_threads import Member

PROCESSES = multiprocessing.get_context("forkserver")
_PRELOAD = [__name__, "ai_edge_litert.interpreter", "grpc", "fieldfare.protos.v1.aggregator_pb2_grpc"]


@dataclass(frozen=True)
class Life:
    """What a device is made of, so that it can be told to another process.

    Attributes:
        store: path of its examples.
        folder: its folder.
        address: where the aggregator, or a bad line to it, answers.
        seed: its own.
        cache_limit_bytes: of its cache.
    """

    store: Path
    folder: Path
    address: str
    seed: int
    cache_limit_bytes: int

    def start(self) -> multiprocessing.process.BaseProcess:
        """Live until killed."""
        PROCESSES.set_forkserver_preload(_PRELOAD)
        process = PROCESSES.Process(target=_live, args=(self,), daemon=True)
        process.start()
        return process


def _live(life: Life) -> None:
    runtime_version()
    with ExitStack() as stack:
        store = stack.enter_context(ExampleStore.open(life.store))
        member = Member(life.folder, store, life.address, life.seed)
        member.patience, member.retry = timedelta(seconds=1), HASTY
        member.cache_limit_bytes = life.cache_limit_bytes
        member.device(stack, "p").run_forever(threading.Event())
