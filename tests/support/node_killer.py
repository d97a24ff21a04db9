"""A trainer that takes its whole Ray node down in the middle of a round."""

import os
import signal
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.sdk.training import LiteRtTrainer, Trained
from tests.support.ray_cluster import VICTIM


class NodeKiller(LiteRtTrainer):
    """On the node that the file names, the third training ends node and all; the file is gone then."""

    trained = 0

    def train(self, weights: NDArray[Any], examples: Any, **settings: Any) -> Trained:
        self.trained += 1
        victim = Path(os.environ[VICTIM])
        if self.trained == 3 and victim.exists() and victim.read_text() == _node():
            victim.unlink()
            os.kill(os.getppid(), signal.SIGKILL)
        return super().train(weights, examples, **settings)


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
