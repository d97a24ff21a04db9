"""A source whose package is not installed: one sentence that names what to install."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from fieldfare.core.errors import ConfigError
from fieldfare.emulator.data import Wanted
from fieldfare.emulator.data.sources import write_tf_data
from tests.unit.emulator.data.examples import PICTURES, SPECS, load

WANTED = Wanted(SPECS, ("x", "y"), None, 1000)


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    # What Python takes for a module that is not there.
    monkeypatch.setitem(sys.modules, package, None)


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pyarrow")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.parquet")
    words = "reading .parquet files needs the package pyarrow: pip install 'fieldfare[emulator]'"
    assert str(caught.value) == f"data.source: {words}"


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (6, 4)).save(tmp_path / "a" / "1.png")
    without(monkeypatch, "PIL")
    with pytest.raises(ConfigError, match=r"reading pictures needs the package PIL.*'fieldfare\[emulator\]'"):
        load(tmp_path, PICTURES)


def test_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state.json").write_text("{}")
    without(monkeypatch, "datasets")
    for source in (str(tmp_path), "hub:lab/digits"):
        with pytest.raises(ConfigError, match=r"needs the package datasets: pip install 'fieldfare\[datasets\]'"):
            load(source)


def test_tf_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "tensorflow")
    with pytest.raises(ConfigError, match=r"needs the package tensorflow: pip install 'fieldfare\[converters\]'"):
        write_tf_data("code.py:make", WANTED, tmp_path)
