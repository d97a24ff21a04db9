"""The table of wheels is made of what pip says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.wheels import PLATFORMS, UnreachableIndexError, newest_wheel, table, version_of


def test_the_table_has_a_row_for_each_platform() -> None:
    found = {("Pi", "numpy>=1.26"): "2.4.1", ("Pi", "psutil>=5.9"): "7.0", ("Alpine", "numpy>=1.26"): "2.4.1"}
    found["Alpine", "psutil>=5.9"] = "none"
    assert list(table(["numpy>=1.26", "psutil>=5.9"], found, ["Pi", "Alpine"])) == [
        "| platform | numpy | psutil |",
        "|---|---|---|",
        "| Pi | 2.4.1 | 7.0 |",
        "| Alpine | 2.4.1 | none |",
    ]


def test_the_version_is_the_report_s() -> None:
    assert version_of(json.dumps({"install": [{"metadata": {"name": "numpy", "version": "2.4.1"}}]})) == "2.4.1"


@pytest.mark.skipif(
    subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0,
    reason="pip is not there",
)
def test_pip_itself_says_whether_there_is_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_wheel(tmp_path, "1.2", "manylinux_2_28_aarch64")
    _write_wheel(tmp_path, "1.3", "win_amd64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert newest_wheel("pebble>=1", PLATFORMS["Linux aarch64, glibc 2.36"], "3.11") == "1.2"
    assert newest_wheel("pebble>=1", PLATFORMS["Windows, x86-64"], "3.11") == "1.3"
    assert newest_wheel("pebble>=1", PLATFORMS["macOS 14, Intel"], "3.11") == "none"
    with pytest.raises(UnreachableIndexError, match="pip failed for pebble of stone"):
        newest_wheel("pebble of stone", PLATFORMS["macOS 14, Intel"], "3.11")


def _write_wheel(folder: Path, version: str, platform: str) -> None:
    from zipfile import ZipFile

    with ZipFile(folder / f"pebble-{version}-py3-none-{platform}.whl", "w") as wheel:
        about = f"pebble-{version}.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: pebble\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n")
        wheel.writestr(f"{about}/RECORD", "")
