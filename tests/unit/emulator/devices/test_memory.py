"""Memory classes, and who is too small for a task."""

from dataclasses import replace

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import EligibilitySpec, TaskSpec, task_spec_from_mapping
from fieldfare.emulator.devices import draw_behaviour, too_small
from fieldfare.emulator.scenario import FleetSettings, MemorySettings
from tests.support.tiny_plan import tiny_manifest

GIB = 2**30
CLASSES = MemorySettings(sizes_bytes=(GIB, 2 * GIB, 4 * GIB), shares=(1.0, 0.0, 3.0))


def memory(settings: MemorySettings) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return draw_behaviour(FleetSettings(memory=settings), 4000, seed=1).memory_bytes


def task(**eligibility: int) -> TaskSpec:
    spec = task_spec_from_mapping({"name": "t", "population": "p"})
    return replace(spec, eligibility=EligibilitySpec(**eligibility))


def test_classes_have_their_shares() -> None:
    drawn = memory(CLASSES)
    assert set(drawn) == {GIB, 4 * GIB}
    assert float((drawn == GIB).mean()) == pytest.approx(0.25, abs=0.02)
    assert set(memory(MemorySettings())) == {4 * GIB}
    assert set(memory(replace(CLASSES, usable_share=0.5))) == {GIB // 2, 2 * GIB}


def test_who_is_too_small_for_the_task_or_the_plan_is_counted_by_reason() -> None:
    sizes = np.array([100, 200, 300, 100, 400])
    plan = replace(tiny_manifest(), training_memory_bytes=300)
    found = too_small(sizes, task(min_memory_bytes=150), plan)
    assert found.fit.tolist() == [False, False, True, False, True]
    assert found.reasons == {
        "it needs a device with 150 bytes of memory": 2,
        "the plan takes about 300 bytes of memory to train": 1,
    }
    everybody = too_small(sizes, task(), tiny_manifest())
    assert everybody.fit.all()
    assert everybody.reasons == {}


def test_a_fleet_in_which_nobody_can_is_refused() -> None:
    with pytest.raises(ConfigError, match="no device of the fleet can take the task: it needs a device with 500") as it:
        too_small(np.array([100, 400]), task(min_memory_bytes=500), tiny_manifest())
    assert it.value.field == "fleet.memory"
