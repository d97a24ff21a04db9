"""A linear regression on ten examples, its plan on LiteRT, and the same by hand."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from fieldfare.core.encodings import FLOAT32
from fieldfare.core.sessions import Artifact, Assignment, WorkResult
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.core.weights import sha256
from fieldfare.sdk.training import NO_LIMITS, Job, do_work
from tests.support.tiny_plan import tiny_manifest, tiny_plan

SPECS = tiny_manifest(features=2).example_specs
WEIGHTS = tiny_manifest(features=2).weight_specs
START = np.array([0.5, -0.25, 0.125], np.float32)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(10, 2)).astype(np.float32)
Y = (X @ np.float32([[1.5], [-2.0]]) + np.float32(0.75)).astype(np.float32)


class Source:
    """Examples in memory."""

    def __init__(self, training: int = 10, held_out: int = 0, specs=SPECS) -> None:
        self.specs = tuple(specs)
        self._training, self._held_out = training, held_out

    def training(self, limit: int | None = None):
        first = 0 if limit is None else max(self._training - limit, 0)
        return {"x": X[first : self._training], "y": Y[first : self._training]}

    def held_out(self):
        return {"x": X[: self._held_out], "y": Y[: self._held_out]}


def assignment(**changes) -> Assignment:
    made = Assignment(
        ticket=b"t",
        task_id="task",
        round_number=1,
        kind=NextRound.TRAINING,
        plan=Artifact(sha256(tiny_plan(features=2)), 1),
        checkpoint_version=0,
        checkpoint=Artifact(bytes(32), 1),
        local=LocalTrainingSpec(learning_rate=0.05),
        algorithm=Algorithm.FEDAVG,
        encoding=FLOAT32,
        report_within=timedelta(minutes=1),
        max_abs_value=256.0,
    )
    return replace(made, **changes)


def work(
    trainer,
    files,
    source=None,
    *,
    seed: int = 1,
    interrupt=lambda: "",
    limits=NO_LIMITS,
    measure: bool = False,
    clock=lambda: 0.0,
    **changes,
) -> WorkResult:
    return do_work(
        Job(assignment(**changes), *files),
        trainer,
        source or Source(),
        rng=np.random.default_rng(seed),
        interrupt=interrupt,
        limits=limits,
        measure=measure,
        clock=clock,
    )


def slope(w: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
    x, y = X[rows].astype(np.float64), Y[rows].astype(np.float64)[:, 0]
    error = x @ w[:2] + w[2] - y
    return np.append(2 * error @ x, 2 * error.sum()) / len(rows), float((error**2).mean())


def by_hand(
    order_of, epochs: int, rate: float, rows: int = 10, batch: int = 4, steps: int = 10**9, correct=lambda w: 0 * w
):
    w, losses = START.astype(np.float64), []
    for _ in range(epochs):
        order = order_of()
        for start in range(0, rows, batch):
            if len(losses) >= steps:
                break
            picked = order[start : start + batch]
            gradient, loss = slope(w, picked)
            w = w - rate * (gradient + correct(w))
            losses.append((loss, len(picked)))
    total = sum(n for _, n in losses)
    return w - START, sum(loss * n for loss, n in losses) / total
