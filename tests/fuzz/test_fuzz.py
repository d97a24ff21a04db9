"""A short run of every target; the long one is `make fuzz`."""

import random

import pytest

from tests.fuzz import run as runner
from tests.fuzz.mutation import damaged_message, damaged_wire
from tests.fuzz.run import DefectError, one, run
from tests.fuzz.targets import TARGETS, sites
from tests.unit.aggregator.world import SPEC


def test_a_short_run_finds_nothing() -> None:
    with sites():
        result = run(20261122, lambda number: number < 6000)
    assert set(result.outcomes) == set(TARGETS)
    # Input that is refused at its first byte would test little: every target sees what gets through as well.
    for name in ("report", "update", "manifest", "weights_file", "task_spec", "assignment"):
        assert result.outcomes[name]["taken"] > 0, name
    assert result.outcomes["report"]["UpdateError"] > 100


def test_the_same_number_gives_the_same_input() -> None:
    spec = SPEC.to_proto()
    first, second = (damaged_wire(random.Random("a"), spec) for _ in range(2))
    assert first == second
    assert {damaged_message(random.Random(seed), spec).SerializeToString() for seed in range(20)} != {
        spec.SerializeToString()
    }


def test_a_defect_is_told_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: random.Random) -> str:
        raise KeyError("x")

    monkeypatch.setitem(TARGETS, "ticket", (broken, 1))
    with pytest.raises(DefectError, match=r"--target ticket --seed 3 --input 7: KeyError"):
        one("ticket", 3, 7)
    monkeypatch.setattr(runner, "MOST_SECONDS", 0.0)
    with pytest.raises(DefectError, match="took"):
        one("update", 3, 7)
