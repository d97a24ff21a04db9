"""Runs targets over numbered inputs: the same seed and number give the same input, whatever ran before.

One exception: what `report` and `enrollment` find in their engine depends on the inputs before; the damage does not.
"""

import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.fuzz.targets import TARGETS, Target

MOST_SECONDS = 5.0
MOST_GROWTH_BYTES = 512 * 2**20
_WARM = 2_000


@dataclass
class Result:
    """What came of a run.

    Attributes:
        outcomes: by target: "taken", or the error's name, to the number of inputs.
    """

    seed: int
    inputs: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)


class DefectError(AssertionError):
    """An input that brought out something else than an error of ours, or took too long, or too much memory."""


def schedule(targets: Mapping[str, tuple[Target, int]]) -> list[str]:
    """Names of targets, as often as their shares, mixed."""
    names = [name for name, (_, share) in targets.items() for _ in range(share)]
    random.Random(0).shuffle(names)
    return names


def one(target: str, seed: int, number: int) -> str:
    """Run one input.

    Raises:
        DefectError: it found a defect.
    """
    began = time.perf_counter()
    try:
        outcome = TARGETS[target][0](random.Random(f"{seed}/{target}/{number}"))
    except Exception as error:  # whatever is no error of ours is what the fuzzer looks for
        raise DefectError(f"{_again(target, seed, number)}: {type(error).__name__}: {error}") from error
    if (took := time.perf_counter() - began) > MOST_SECONDS:
        raise DefectError(f"{_again(target, seed, number)}: took {took:.1f} s")
    return outcome


def run(seed: int, go_on: Callable[[int], bool], only: str = "") -> Result:
    """Run inputs as long as `go_on` says so of their number.

    Raises:
        DefectError: an input found a defect; the message says how to run it again.
    """
    result = Result(seed)
    order = [only] if only else schedule(TARGETS)
    memory = 0
    for number in _numbers(go_on):
        target = order[number % len(order)]
        outcome = one(target, seed, number)
        result.outcomes.setdefault(target, Counter())[outcome] += 1
        result.inputs += 1
        if number == _WARM:
            memory = _peak_bytes()
        elif memory and number % 1000 == 0 and (grown := _peak_bytes() - memory) > MOST_GROWTH_BYTES:
            raise DefectError(f"{_again(target, seed, number)}: memory grew by {grown >> 20} MiB up to here")
    return result


def _numbers(go_on: Callable[[int], bool]) -> Iterator[int]:
    number = 0
    while go_on(number):
        yield number
        number += 1


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _again(target: str, seed: int, number: int) -> str:
    return f"python -m tests.fuzz --target {target} --seed {seed} --input {number}"
