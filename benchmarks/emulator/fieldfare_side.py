"""One emulation, with the moment at which each round ended.

python -m benchmarks.emulator.fieldfare_side SCENARIO FOLDER PROGRESS
"""

import sys
import time
from pathlib import Path
from typing import Any

from fieldfare.emulator.emulation import emulate
from fieldfare.emulator.scenario import read_scenario


def main() -> None:
    scenario, folder, progress = map(Path, sys.argv[1:])
    with progress.open("w", buffering=1) as file:

        def note(*_: Any) -> None:
            file.write(f"{time.perf_counter()}\n")

        emulate(read_scenario(scenario), folder, on_start=lambda _: None, on_round=note)


if __name__ == "__main__":
    main()
