"""Carries a sweep out, one run after the other."""

from collections.abc import Callable
from pathlib import Path

from fieldfare.core.errors import StorageError
from fieldfare.emulator.emulation import Outcome
from fieldfare.emulator.results_folder import prepare_folder, reopen_folder
from fieldfare.emulator.sweep._comparison import Finished, read_finished
from fieldfare.emulator.sweep._reading import Sweep, SweepRun
from fieldfare.emulator.sweep._results import write_comparison

RunOne = Callable[[SweepRun, Path, bool], Outcome]
"""Runs one scenario into a folder that is there, goes on with what is in it where told so, and writes its results."""


def run_sweep(
    sweep: Sweep,
    folder: Path,
    run_one: RunOne,
    *,
    resume: bool = False,
    on_run: Callable[[int, SweepRun, bool], None] = lambda _number, _run, _is_done: None,
) -> list[Finished]:
    """Run what is not done yet, each in a folder of its own, and compare the runs; also where one of them is stopped.

    Args:
        sweep: the runs.
        folder: empty, or with `resume` that of the same sweep, perhaps with fewer runs.
        run_one: see `RunOne`.
        resume: keep the runs that are finished, and go on with one that was interrupted.
        on_run: told of each run before it begins: its number from 1, the run, and whether it is finished already.

    Returns:
        What the runs came to, in their order.

    Raises:
        ConfigError: a finished run in the folder had another scenario.
        StorageError: a folder that cannot be read or written.
        KeyboardInterrupt, FieldfareError: what stopped a run; the runs before it are compared.
    """
    finished: list[Finished] = []
    try:
        for number, run in enumerate(sweep.runs, 1):
            own = folder / run.name
            known = read_finished(run, own) if resume else None
            on_run(number, run, known is not None)
            finished.append(known or _run(run, own, run_one, resume=resume))
    finally:
        if finished:
            write_comparison(folder, sweep, finished)
    return finished


def _run(run: SweepRun, own: Path, run_one: RunOne, *, resume: bool) -> Finished:
    outcome = run_one(run, (reopen_folder if resume else prepare_folder)(own, "emulation"), resume)
    if outcome.stopped is not None:
        raise outcome.stopped
    found = read_finished(run, own)
    if found is None:
        raise StorageError(f"the run {run.title} has left no results in {own}")
    return found
