"""An aggregator in a process of its own that starts in a moment: its parent has imported everything before it forks."""

import multiprocessing
import threading
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from fieldfare.aggregator import Aggregator, ServerSettings
from fieldfare.aggregator.settings import EngineSettings
from fieldfare.core.rounds import PaceSettings

PROCESSES = multiprocessing.get_context("forkserver")
SETTINGS = ServerSettings(
    pace=PaceSettings(shortest=timedelta(milliseconds=100)), engine=EngineSettings(receipt_wait=timedelta(seconds=0.2))
)


def start(state: Path, port: int, admin_port: int) -> "tuple[multiprocessing.process.BaseProcess, Connection]":
    """The process, and where it says that both ports answer."""
    PROCESSES.set_forkserver_preload([__name__])
    ready, tell = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_serve, args=(state, port, admin_port, tell), daemon=True)
    process.start()
    tell.close()
    return process, ready


def _serve(state: Path, port: int, admin_port: int, tell: Connection) -> None:
    with Aggregator(state, f"127.0.0.1:{port}", f"127.0.0.1:{admin_port}", SETTINGS):
        tell.send(True)
        threading.Event().wait()
