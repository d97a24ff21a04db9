"""When phones charge, are on Wi-Fi and lie idle: the emulator's model, fitted to ExtraSensory."""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from examples.phone_fleet.extrasensory import Person, read_people
from fieldfare.emulator.devices.profiles import STEP_S, CircadianModel, draw_conditions

PATTERNS = 100
TRIES = 10
DAY_STEPS = 86_400 // STEP_S
# An hour of a person counts with half an hour of records or more.
_ENOUGH = 6
_PAIRS = ((0, 1), (0, 2), (1, 2))
_SURE = 0.02


def fit_circadian(path: Path) -> CircadianModel:
    """Shares by hour and the spread of people from the records; the rest so that drawn weeks agree with them.

    Args:
        path: of ExtraSensory's file.

    Raises:
        DataError: no such file, or another.
    """
    people = read_people(path)
    shares = hourly_shares(people)
    own = np.var([_distance(one, shares) for one in people], axis=0)
    model = CircadianModel(
        shares=tuple(tuple(round(float(one), 2) for one in row) for row in shares),
        person=tuple(round(float(one), 2) for one in own / (1 + own)),
        lasting_s=(3600.0, 3600.0, 900.0),
        correlations=(0.3, 0.3, 0.3),
    )
    windows, together = observed(people, shares)
    for _ in range(TRIES):
        drawn_windows, drawn_together = simulated(model)
        lasting = np.array(model.lasting_s) * drawn_windows / windows
        correlations = np.clip(np.array(model.correlations) + together - drawn_together, 0.0, 0.9)
        model = replace(
            model,
            lasting_s=tuple(round(float(one), 0) for one in lasting),
            correlations=tuple(round(float(one), 2) for one in correlations),
        )
    return model


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was recorded, and what is drawn with the fitted numbers.

    Attributes:
        windows: `(2, 3)`: windows that begin in a day, recorded and drawn, of charging, Wi-Fi and rest.
        together: `(2, 24)`: share of phones for which all three hold, hour by hour; nothing was fitted to it.
    """

    windows: NDArray[np.float64]
    together: NDArray[np.float64]


def compare(path: Path, model: CircadianModel) -> Comparison:
    """Records beside drawn weeks.

    Raises:
        DataError: no such file, or another.
    """
    people = read_people(path)
    recorded = np.empty(24)
    for hour in range(24):
        known = [one.holds[one.hours == hour].all(axis=1) for one in people]
        recorded[hour] = np.mean([one.mean() for one in known if len(one) >= _ENOUGH])
    drawn = draw_conditions(model, PATTERNS, np.random.default_rng(1)).all(axis=0).mean(axis=0)
    return Comparison(
        np.array([observed(people, hourly_shares(people))[0], simulated(model, seed=1)[0]]),
        np.array([recorded, drawn.reshape(7, 24, -1).mean(axis=(0, 2))]),
    )


def hourly_shares(people: list[Person]) -> NDArray[np.float64]:
    """`(3, 24)`: mean over people, each of whom counts once in an hour of which there is enough."""
    shares = np.empty((3, 24))
    for hour in range(24):
        known = [one.holds[one.hours == hour] for one in people if np.sum(one.hours == hour) >= _ENOUGH]
        shares[:, hour] = np.mean([one.mean(axis=0) for one in known], axis=0)
    return np.clip(shares, _SURE, 1 - _SURE)


def observed(people: list[Person], shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Windows a day that begin, three; and how far conditions hold together beyond their shares, three correlations."""
    begun, steps = np.zeros(3), 0
    products, squares = np.zeros(3), np.zeros((3, 2))
    for one in people:
        following = np.diff(one.steps) == 1
        begun += (~one.holds[:-1] & one.holds[1:])[following].sum(axis=0)
        steps += following.sum()
        _add_products(products, squares, one.holds - shares[:, one.hours].T)
    return DAY_STEPS * begun / steps, products / np.sqrt(squares.prod(axis=1))


def simulated(model: CircadianModel, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of drawn weeks."""
    holds = draw_conditions(model, PATTERNS, np.random.default_rng(seed))
    begun = (~holds[:, :, :-1] & holds[:, :, 1:]).mean(axis=(1, 2))
    hours = np.arange(holds.shape[2]) * STEP_S // 3600 % 24
    products, squares = np.zeros(3), np.zeros((3, 2))
    over = holds - np.array(model.shares)[:, hours][:, None, :]
    _add_products(products, squares, over.reshape(3, -1).T)
    return DAY_STEPS * begun, products / np.sqrt(squares.prod(axis=1))


def _add_products(products: NDArray[np.float64], squares: NDArray[np.float64], over: NDArray[np.float64]) -> None:
    for index, (one, other) in enumerate(_PAIRS):
        products[index] += (over[:, one] * over[:, other]).sum()
        squares[index] += (over[:, one] ** 2).sum(), (over[:, other] ** 2).sum()


def _distance(person: Person, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(3,)`: by how much the person's thresholds differ from everybody's, in standard deviations."""
    normal = NormalDist()
    everybody = np.vectorize(normal.inv_cdf)(shares)
    own = np.clip(person.holds.mean(axis=0), _SURE, 1 - _SURE)
    found = np.empty(3)
    for condition in range(3):
        weights = np.bincount(person.hours, minlength=24) / len(person.hours)
        low, high = -4.0, 4.0
        for _ in range(40):
            middle = (low + high) / 2
            share = sum(
                weight * normal.cdf(below + middle) for weight, below in zip(weights, everybody[condition], strict=True)
            )
            low, high = (middle, high) if share < own[condition] else (low, middle)
        found[condition] = (low + high) / 2
    return found
