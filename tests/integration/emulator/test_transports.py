"""Emulations whose devices call over a real socket: the same bits as in memory."""

from pathlib import Path
from typing import Any

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.emulator.scenario import scenario_from_mapping
from tests.support.small_fleet import Run, fleet_scenario, run_fleet, write_fleet

FEDBUFF = {"aggregation": {"algorithm": "FEDBUFF"}, "evaluate_every": 0}
SCAFFOLD = {"aggregation": {"algorithm": "SCAFFOLD"}}
FLEETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "FedAvg": ({}, {"dropout": 0.2}),
    "SCAFFOLD": (SCAFFOLD, {"dropout": 0.1}),
    "FedBuff": (FEDBUFF, {"dropout": 0.1}),
    # Devices leave in the middle of their work, some of them after their round is over.
    "hours": (
        {"training": {"goal_count": 4, "over_selection": 2.5, "report_timeout": "7200s", "minimum": 2}},
        {"available_from": 0.0, "available_for": "1h", "available_spread": "30min", "examples_per_s": 0.02},
    ),
}


@pytest.mark.parametrize("name", FLEETS)
def test_memory_and_grpc_give_the_same_bits(tmp_path: Path, name: str) -> None:
    task, fleet = FLEETS[name]
    write_fleet(tmp_path)
    memory, grpc = (
        run_fleet(fleet_scenario(tmp_path, {"workers": workers, "transport": one}, task, **fleet), tmp_path / one)
        for workers, one in ((1, "memory"), (2, "grpc"))
    )
    assert memory.outcome.ended
    assert memory == grpc
    assert {"left", "dropped"} & set(grpc.ended)
    fetched = {one.name for one in (tmp_path / "grpc" / "fetched").iterdir()}
    kept = {one.name for one in (tmp_path / "memory" / "state" / "blobs" / "artifacts").iterdir()}
    assert len(fetched) > 3
    assert fetched <= kept


def test_refusals_and_diverged_updates_go_over_the_wire(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    trainer = "tests.support.troubled_trainer:TroubledTrainer"
    memory, grpc = (
        run_fleet(
            fleet_scenario(tmp_path, {"workers": 1, "transport": one, "trainer": trainer}, {"rounds": 2}),
            tmp_path / one,
        )
        for one in ("memory", "grpc")
    )
    assert memory == grpc
    assert {"refused", "withdrawn", "counted"} <= set(grpc.ended)


class CutError(Exception):
    """Ends a run."""


@pytest.mark.parametrize("checkpoint_every", ["0s", "1h"], ids=["checkpoint", "none"])
def test_a_run_that_was_begun_in_memory_goes_on_over_grpc(tmp_path: Path, checkpoint_every: str) -> None:
    write_fleet(tmp_path)
    memory = {"workers": 1, "checkpoint_every": checkpoint_every}

    # Slow devices: some are at work for longer than a buffer takes.
    def run(name: str, engine: dict[str, Any], **emulating: Any) -> Run:
        return run_fleet(fleet_scenario(tmp_path, engine, FEDBUFF, spread=1.0), tmp_path / name, **emulating)

    def cut(_: object) -> None:
        raise CutError

    whole = run("whole", memory)
    with pytest.raises(CutError):
        run("pieces", memory, on_round=cut)
    # Without a checkpoint it begins anew, and nothing of the first try is left.
    assert (tmp_path / "pieces" / "checkpoints").exists() is (checkpoint_every == "0s")
    assert run("pieces", {**memory, "transport": "grpc"}, resume=True) == whole


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ConfigError, match="transport"):
        scenario_from_mapping({"engine": {"transport": "pigeon"}})
