"""A trainer that ends the process it is in."""

import os
import sys
from typing import Any

from fieldfare.sdk.training import LiteRtTrainer, Trained


class DeadlyTrainer(LiteRtTrainer):
    """As a crash of the runtime would."""

    def train(self, *args: Any, **settings: Any) -> Trained:
        print("about to crash", file=sys.stderr, flush=True)
        os._exit(77)
