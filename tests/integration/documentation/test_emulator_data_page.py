"""docs/emulator_data.md: its scenarios are read, its script runs."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from fieldfare.emulator.scenario import PartitionKind, scenario_from_mapping
from tests.support.commands import ROOT, environment

PAGE = (ROOT / "docs" / "emulator_data.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_scenario_of_the_page_is_read(text: str) -> None:
    tree = tomllib.loads(text)
    settings = scenario_from_mapping(tree).settings
    for table, keys in tree.items():
        if isinstance(keys, dict):
            read = {key: getattr(getattr(settings, table), key) for key in keys}
            assert {key: list(value) if isinstance(value, tuple) else value for key, value in read.items()} == keys


def test_every_partition_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", PAGE, re.MULTILINE)
    assert rows == ["kind", *get_args(PartitionKind)]


@pytest.mark.slow
def test_the_script_of_the_page_runs(tmp_path: Path) -> None:
    (script,) = blocks("python")
    (tmp_path / "script.py").write_text(script)
    command, options = [sys.executable, "script.py"], {"env": environment(), "capture_output": True, "text": True}
    done = subprocess.run(command, cwd=tmp_path, timeout=250, check=False, **options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("5 rounds"), done.stdout
    summary = json.loads((tmp_path / "runs" / "people" / "summary.json").read_text())
    assert summary["partition"]["devices"] == 20
    assert summary["held_out"]["mae"] < 1.5
