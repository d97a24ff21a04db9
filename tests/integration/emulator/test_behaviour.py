"""How devices behave, in whole emulations: stragglers, conditions, memory, networks, energy."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.emulation import write_results
from tests.support.commands import fieldfare
from tests.support.small_fleet import DEVICES, Run, fleet_scenario, run_fleet, write_fleet

ENGINE = {"workers": 1}
SLOW, FAST = 3, 9
TARGET = {"metric": "loss", "value": 0.05, "lower_is_better": True}
MEASURE = {"goal_count": 4, "report_timeout": "3600s"}
LONG = {"report_timeout": "3600s"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_fleet(tmp_path)
    return tmp_path


def run(folder: Path, name: str, task: dict[str, Any], **fleet: Any) -> Run:
    return run_fleet(fleet_scenario(folder, ENGINE, task, **fleet), folder / name)


def parts(one: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(one.devices.decode())))


def stragglers(folder: Path) -> dict[str, Any]:
    """Nine devices that train at once, and three that take 40 s for what those do in a third of a second."""
    speeds = [*(f"slow-{one},0.4" for one in range(SLOW)), *(f"fast-{one},50" for one in range(FAST))]
    (folder / "speeds.csv").write_text("\n".join(["device,examples_per_s", *speeds]) + "\n")
    return {"traces": {"speeds": "speeds.csv"}, "spread": 0.0}


def test_buffered_rounds_do_not_wait_for_stragglers(folder: Path) -> None:
    fleet = stragglers(folder)
    common = {"rounds": 200, "target": TARGET, "evaluation": MEASURE}
    everybody = {"goal_count": DEVICES, "over_selection": 1.0, **LONG}
    synchronous = run(folder, "synchronous", {**common, "training": everybody}, **fleet)
    buffered = run(
        folder,
        "buffered",
        {
            **common,
            "aggregation": {"algorithm": "FEDBUFF"},
            "asynchronous": {"concurrency": DEVICES},
            "training": {"goal_count": 4, **LONG},
        },
        **fleet,
    )
    for one in (synchronous, buffered):
        assert one.outcome.ended
        assert "target" in one.outcome.status.reason
        totals = one.outcome.totals
        assert totals.energy_j > 0
        assert totals.bytes_up == sum(int(row["bytes_up"]) for row in parts(one))
        assert totals.energy_j == pytest.approx(sum(float(row["energy_j"]) for row in parts(one)), abs=0.1)
    # A synchronous round is as long as its slowest device.
    assert synchronous.emulated_s > 40 * len([one for one in synchronous.outcome.status.rounds if one.kind == 1])
    assert buffered.emulated_s < synchronous.emulated_s / 3
    assert buffered.outcome.totals.energy_j < synchronous.outcome.totals.energy_j


def test_devices_work_while_their_conditions_hold_and_say_so_when_they_end(folder: Path) -> None:
    rows = [
        "device,start,end,charging,network,idle",
        *(
            f"{one},2024-01-01T{hours},{charging},unmetered,1"
            for one in range(DEVICES)
            for hours, charging in (
                (f"00:00:00,2024-01-01T{8 + one % 4:02}:00:00", 1),
                (f"{8 + one % 4:02}:00:00,2024-01-02T00:00:00", 0),
            )
        ),
    ]
    (folder / "states.csv").write_text("\n".join(rows) + "\n")
    fleet = {"traces": {"states": "states.csv"}, "conditions": {"on_power": True}, "examples_per_s": 0.001, "spread": 0}
    # 16 examples take four and a half hours: the first round is done from midnight on, the second begins too late.
    task = {"rounds": 2, "evaluate_every": 0}
    long = {"report_timeout": "86400s", "selection_timeout": "86400s", "goal_count": 8, "minimum": 8}
    found = run(folder, "run", {**task, "training": {**long, "over_selection": 1.0}}, **fleet)
    hours = [float(row["began_s"]) % 86_400 / 3600 for row in parts(found)]
    assert max(hours) < 11
    left = [row for row in parts(found) if row["ended"] == "left"]
    assert left
    for row in left:
        end = (float(row["began_s"]) + float(row["seconds"])) % 86_400 / 3600
        assert end == pytest.approx(8 + round(end - 8), abs=1e-3)
        assert 8 <= round(end) <= 11
    assert found.outcome.emulated_s > 86_400


def test_a_plan_is_given_to_devices_with_memory_enough_only(folder: Path) -> None:
    task = {"rounds": 2, "eligibility": {"min_memory_bytes": 2**31}}
    memory = {"sizes_bytes": ["1GiB", "4GiB"], "shares": [0.5, 0.5]}
    scenario = fleet_scenario(folder, ENGINE, task, memory=memory)
    found = run_fleet(scenario, folder / "run")
    (why, count), *others = found.outcome.excluded.items()
    assert (why, others) == ("it needs a device with 2147483648 bytes of memory", [])
    asked = {row["device"] for row in parts(found)}
    assert 0 < count < DEVICES
    assert 0 < len(asked) <= DEVICES - count
    write_results(folder / "run", scenario, found.outcome)
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["excluded"] == {why: count}
    assert summary["energy_joules"] > 0
    with pytest.raises(ConfigError, match="no device of the fleet can take the task"):
        run(folder, "none", task, memory={"sizes_bytes": ["1GiB"], "shares": [1.0]})


def test_a_part_that_ends_early_costs_less(folder: Path) -> None:
    task = {"rounds": 3, "evaluate_every": 0, "training": {"goal_count": 4, "report_timeout": "60s"}}
    rows = parts(run(folder, "run", task, dropout=0.3, spread=0.0))
    counted = {float(row["energy_j"]) for row in rows if row["ended"] == "counted" and row["round"] == "1"}
    dropped = {float(row["energy_j"]) for row in rows if row["ended"] == "dropped" and row["round"] == "1"}
    assert len(counted) == 1
    assert dropped
    assert max(dropped) < min(counted)


def test_a_trace_that_cannot_be_used_is_one_line_and_leaves_nothing_half_done(folder: Path) -> None:
    (folder / "states.csv").write_text(
        "device,start,end,charging,network,idle\n"
        "a,2024-01-01T00:00:00,2024-01-01T08:00:00,1,unmetered,1\n"
        "a,2024-01-01T09:00:00,2024-01-02T00:00:00,1,unmetered,1\n"
    )
    with pytest.raises(DataError, match=r"states\.csv, line 3: a gap of 3600 s in the rows of device 'a'"):
        run(folder, "run", {}, traces={"states": "states.csv"})
    assert list((folder / "run").iterdir()) == []
    (folder / "scenario.toml").write_text('[fleet.traces]\nstates = "states.csv"\n')
    done = fieldfare("emulate", "scenario.toml", "--output", "out", "--set", "partition.devices=12", cwd=folder)
    assert done.returncode != 0
    assert "line 3: a gap of 3600 s" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_phones_are_emulated_the_same_again(folder: Path) -> None:
    phones = {"profile": "phones", "conditions": {"on_power": True, "min_user_idle": "10min"}, "dropout": 0.1}
    task = {"training": {"goal_count": 3, "minimum": 2, "selection_timeout": "86400s"}, "evaluation": MEASURE}
    one, other = (run(folder, name, task, **phones) for name in ("one", "other"))
    assert one.outcome.ended
    assert one == other
    assert len({row["compute_s"] for row in parts(one) if row["kind"] == "training"}) > 3
