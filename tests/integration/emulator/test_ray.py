"""Emulations on a Ray cluster of two nodes: the same bits as with processes of this machine."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.emulator.partition import Partition
from fieldfare.emulator.scenario import scenario_from_mapping
from fieldfare.emulator.workers import Order, WorkersError, WorkerSettings, write_examples
from tests.support.commands import fieldfare
from tests.support.ray_cluster import TwoNodes, two_nodes
from tests.support.small_fleet import Run, fleet_scenario, run_fleet, write_fleet
from tests.support.tiny_plan import tiny_manifest

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize(
    ("trainer", "error", "words"),
    [
        ("tests.support.nowhere:Trainer", ConfigError, r"engine.trainer: there is no 'tests.support.nowhere:Trainer'"),
        (
            "tests.support.node_killer:WorkerKiller",
            WorkersError,
            "3 workers on the Ray cluster have ended over",
        ),
    ],
)
def test_what_goes_wrong_on_a_node_is_told_here(
    cluster: TwoNodes, fleet: Path, trainer: str, error: type[Exception], words: str
) -> None:
    engine = {"kind": "ray", "workers": 1, "ray_address": cluster.address, "trainer": trainer}
    with pytest.raises(error, match=words):
        emulated(fleet, "ray", engine, {})


def test_a_node_with_other_versions_does_no_work(
    cluster: TwoNodes, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fieldfare.emulator.cluster")
    monkeypatch.setattr("fieldfare.emulator.cluster._workers.versions", lambda: {"fieldfare": "0.0.1"})
    with pytest.raises(WorkersError, match=r"runs fieldfare \d.*, this machine fieldfare 0.0.1: .* install the same"):
        emulated(fleet, "ray", {"kind": "ray", "workers": 1, "ray_address": cluster.address}, {})


def test_patience_with_a_cluster_that_has_no_worker_ends(cluster: TwoNodes, fleet: Path) -> None:
    from fieldfare.emulator.cluster import RayWorkers, ray_cluster

    nobody = Partition(np.zeros(1, np.int64), np.int64([0, 1]), np.zeros(1, np.int64))
    specs = tiny_manifest(features=2).example_specs
    write_examples(
        fleet / "examples", specs, {one.name: np.zeros((1, *one.shape), np.float32) for one in specs}, nobody
    )
    settings = WorkerSettings(fleet / "examples", fleet, "emulated", 1, "fieldfare.sdk.training:LiteRtTrainer")
    with ray_cluster(cluster.address, 1, 100), RayWorkers(settings, 1, patience=timedelta(0)) as workers:
        workers.put(Order(1, 0, bytes(16), datetime(2024, 1, 1, tzinfo=UTC), b""), 0.0)
        with pytest.raises(WorkersError, match="for 0 s the Ray cluster had no worker ready; it has 2 CPUs"):
            workers.take(1).__enter__()


def test_what_a_cluster_cannot_hold_is_not_sent(cluster: TwoNodes) -> None:
    from fieldfare.emulator.cluster import ray_cluster

    with (
        pytest.raises(WorkersError, match=r"1,000,000,000 bytes, and the object store of the Ray node .* has 8\d,"),
        ray_cluster(cluster.address, 1, 10**9),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("127.0.0.1:1", WorkersError, r"no Ray cluster answers at 127.0.0.1:1 \(Connection refused\): `ray start"),
        ("ray://127.0.0.1:1", ConfigError, "engine.ray_address: 'ray://127.0.0.1:1' is no address"),
    ],
)
def test_a_cluster_that_is_not_there(fleet: Path, address: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        emulated(fleet, "ray", {"kind": "ray", "ray_address": address}, {})


def test_ray_is_asked_for_by_name(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [one for one in sys.modules if one.startswith("fieldfare.emulator.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"engine.kind: .* pip install 'fieldfare\[ray\]'"):
        emulated(fleet, "ray", {"kind": "ray"}, {})
    with pytest.raises(ConfigError, match=r"engine\.ray_address: is for the kind"):
        scenario_from_mapping({"engine": {"ray_address": "127.0.0.1:6379"}})


def test_the_command_starts_ray_and_stops_it(fleet: Path) -> None:
    settings = ["engine.kind=ray", "engine.workers=1", "partition.devices=12", "task.rounds=1"]
    words = [part for one in (*settings, "task.training.goal_count=4") for part in ("--set", one)]
    (fleet / "scenario.toml").write_text("")
    done = fieldfare("emulate", "scenario.toml", "--output", "out", *words, cwd=fleet)
    assert done.returncode == 0, done.stderr
    assert "round 1/1" in done.stdout
    assert not done.stderr


def test_a_node_that_dies_in_mid_round_costs_nothing_but_time(cluster: TwoNodes, fleet: Path) -> None:
    alone = emulated(fleet, "alone", {"workers": 1}, {})
    cluster.victim.write_text(cluster.other)
    killer = {"trainer": "tests.support.node_killer:NodeKiller"}
    ray = emulated(fleet, "ray", {"kind": "ray", "workers": 2, "ray_address": cluster.address, **killer}, {})
    assert not cluster.victim.exists()
    assert alone == ray
