"""The scenarios whose result is known, and what each must reach. The README says why these are the right figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.emulation.activity.data import prepare as prepare_activity
from examples.emulation.centralised import Split, least_squares_rmse, trained_accuracy
from examples.emulation.digits.data import prepare as prepare_digits
from examples.emulation.height_weight.data import prepare as prepare_height_weight

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Known:
    """A scenario whose result is known.

    Attributes:
        prepare: writes its `data.npz` and `plan.tflite` into a folder.
        metric: "accuracy", or "RMSE", of which less is better.
        must_reach: by the model of the last round, over all held-out examples of all devices.
        relative: `must_reach` is a multiple of the centralised figure.
        centralised: what the same model reaches where the same training examples are in one place.
        short: settings of the short form, by dotted name.
        short_must_reach: with these.
    """

    prepare: Callable[[Path], None]
    metric: str
    must_reach: float
    centralised: Callable[[Path, Split, int], float]
    short: Mapping[str, Any]
    short_must_reach: float
    relative: bool = False

    def bar(self, centralised: float | None, *, short: bool) -> float:
        """What is to be reached, given the centralised figure where it is needed."""
        share = self.short_must_reach if short else self.must_reach
        return share * centralised if self.relative and centralised is not None else share

    def reaches(self, value: float, bar: float) -> bool:
        """Whether a value is good enough."""
        return value <= bar if self.metric == "RMSE" else value >= bar


KNOWN: dict[str, Known] = {
    "activity": Known(
        prepare_activity,
        "accuracy",
        must_reach=0.90,
        centralised=lambda plan, split, seed: trained_accuracy(plan, split, seed, passes=40),
        short={"task.rounds": 6, "task.evaluate_every": 6},
        short_must_reach=0.65,
    ),
    "digits": Known(
        prepare_digits,
        "accuracy",
        must_reach=0.95,
        centralised=lambda plan, split, seed: trained_accuracy(plan, split, seed, passes=40),
        short={"task.rounds": 20, "task.evaluate_every": 20},
        short_must_reach=0.90,
    ),
    "height_weight": Known(
        prepare_height_weight,
        "RMSE",
        must_reach=1.02,
        centralised=lambda _plan, split, _seed: least_squares_rmse(split),
        short={"task.evaluate_every": 20},
        short_must_reach=1.02,
        relative=True,
    ),
}
