"""A trainer that takes its whole Ray node down in the middle of a round."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.sdk.training import LiteRtTrainer, Trained
from tests.support.ray_cluster import VICTIM

_LOOK_S, _LONGEST_S = 0.02, 120.0


class NodeKiller(LiteRtTrainer):
    """On the node that the file names, the first training ends node and all, and the file; the others wait for that."""

    def train(self, weights: NDArray[Any], examples: Any, **settings: Any) -> Trained:
        victim = Path(os.environ[VICTIM])
        if victim.exists() and victim.read_text() == _node():
            victim.unlink()
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        give_up = time.monotonic() + _LONGEST_S
        while victim.exists() and time.monotonic() < give_up:
            time.sleep(_LOOK_S)
        return super().train(weights, examples, **settings)


class WorkerKiller(LiteRtTrainer):
    """Ends its process, whatever it is asked to train."""

    def train(self, weights: NDArray[Any], examples: Any, **settings: Any) -> Trained:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
