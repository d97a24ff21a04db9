"""Emulations on a Ray cluster of two nodes: the same bits as with processes of this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ray_cluster import TwoNodes, two_nodes
from tests.support.small_fleet import Run, fleet_scenario, run_fleet, write_fleet

TROUBLED = {"trainer": "tests.support.troubled_trainer:TroubledTrainer"}
FEDBUFF = {"aggregation": {"algorithm": "FEDBUFF"}, "evaluate_every": 0}
SCAFFOLD = {"aggregation": {"algorithm": "SCAFFOLD"}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with two_nodes(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    write_fleet(tmp_path)
    return tmp_path


def emulated(fleet: Path, name: str, engine: dict[str, Any], task: dict[str, Any]) -> Run:
    return run_fleet(fleet_scenario(fleet, engine, task, dropout=0.1), fleet / name)


@pytest.mark.parametrize(
    ("task", "engine"),
    [({"rounds": 2}, TROUBLED), (SCAFFOLD, {}), (FEDBUFF, {"transport": "grpc"})],
    ids=["FedAvg", "SCAFFOLD", "FedBuff"],
)
def test_a_cluster_gives_the_same_bits(
    cluster: TwoNodes, fleet: Path, task: dict[str, Any], engine: dict[str, Any]
) -> None:
    trainer = {key: value for key, value in engine.items() if key == "trainer"}
    alone = emulated(fleet, "alone", {"workers": 4, "transport": "grpc", **trainer}, task)
    ray = emulated(fleet, "ray", {"kind": "ray", "workers": 2, "ray_address": cluster.address, **engine}, task)
    assert alone == ray
    assert ray.ended["counted"] > 4


def test_a_node_that_dies_in_mid_round_costs_nothing_but_time(cluster: TwoNodes, fleet: Path) -> None:
    alone = emulated(fleet, "alone", {"workers": 1}, {})
    cluster.victim.write_text(cluster.other)
    killer = {"trainer": "tests.support.node_killer:NodeKiller"}
    ray = emulated(fleet, "ray", {"kind": "ray", "workers": 2, "ray_address": cluster.address, **killer}, {})
    assert not cluster.victim.exists()
    assert alone == ray
