"""Runs that are over are kept, so that a comparison that was interrupted goes on where it was."""

import json
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from benchmarks.algorithms.runs import Curve, Run, carry_out


class StoredRuns:
    """Carries runs out, a few at a time, each once.

    Args:
        folder: holds a folder with data and plan for each problem; gets `runs.jsonl`.
        processes: runs at a time; each has a worker process of its own, and waits for it most of the time.
        tell: told of each run that is over.
    """

    def __init__(self, folder: Path, processes: int, tell: Callable[[str], None]) -> None:
        self._folder, self._processes, self._tell = folder, processes, tell
        self._file = folder / "runs.jsonl"
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        self._known = {one["key"]: _curve(one["curve"]) for one in map(json.loads, lines)}

    def curves(self, runs: Iterable[Run]) -> list[Curve]:
        """What came of each of them, in their order."""
        wanted = [(_key(run), run) for run in runs]
        missing = {key: run for key, run in wanted if key not in self._known}
        if missing:
            self._carry_out(missing)
        return [self._known[key] for key, _ in wanted]

    def _carry_out(self, missing: dict[str, Run]) -> None:
        # Safe: spawned, since LiteRT and gRPC have threads that a fork would lose.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._processes, mp_context=context) as pool:
            under_way = {pool.submit(carry_out, run, self._folder / run.problem): key for key, run in missing.items()}
            for number, future in enumerate(as_completed(under_way), 1):
                self._keep(under_way[future], future.result())
                self._tell(f"{number} of {len(missing)} runs")

    def _keep(self, key: str, curve: Curve) -> None:
        self._known[key] = curve
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"key": key, "curve": asdict(curve)}) + "\n")


def _key(run: Run) -> str:
    return json.dumps(asdict(run), sort_keys=True)


def _curve(kept: dict[str, object]) -> Curve:
    return Curve(**{**kept, "accuracy": tuple(kept["accuracy"])})  # type: ignore[arg-type]
