"""The trainer that ships, with a note of the time that it trains."""

import os
import time
from pathlib import Path
from typing import Any

from fieldfare.sdk.training import LiteRtTrainer, Trained

TIMES = "FIELDFARE_BENCHMARK_TIMES"
"""Environment variable: a folder for one file of seconds for each process."""


class TimedTrainer(LiteRtTrainer):
    """Appends the seconds of each training."""

    def train(self, *args: Any, **options: Any) -> Trained:
        """See `LiteRtTrainer.train`."""
        began = time.perf_counter()
        done = super().train(*args, **options)
        with (Path(os.environ[TIMES]) / str(os.getpid())).open("a") as file:
            file.write(f"{began} {time.perf_counter()}\n")
        return done
