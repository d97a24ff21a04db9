"""Emulations whose devices call over a real socket: the same bits as in memory."""

from pathlib import Path
from typing import Any

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.emulator.scenario import scenario_from_mapping
from tests.support.small_fleet import fleet_scenario, run_fleet, write_fleet

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


def test_a_run_that_was_begun_in_memory_goes_on_over_grpc(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    # Slow devices: some are at work for longer than a buffer takes.
    whole = run_fleet(fleet_scenario(tmp_path, {"workers": 1}, FEDBUFF, spread=1.0), tmp_path / "whole")

    def cut(_: object) -> None:
        raise CutError

    with pytest.raises(CutError):
        run_fleet(fleet_scenario(tmp_path, {"workers": 1}, FEDBUFF, spread=1.0), tmp_path / "pieces", on_round=cut)
    grpc = {"workers": 1, "transport": "grpc"}
    pieces = run_fleet(fleet_scenario(tmp_path, grpc, FEDBUFF, spread=1.0), tmp_path / "pieces", resume=True)
    assert pieces == whole


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ConfigError, match="transport"):
        scenario_from_mapping({"engine": {"transport": "pigeon"}})
