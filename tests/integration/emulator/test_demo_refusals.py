"""What the demo cannot do it says in one line, before any work, and leaves everything as it was."""

import socket
import sys
from pathlib import Path

import pytest

from tests.integration.emulator.running import demo


def refused(output: Path, errors: Path, *flags: str) -> tuple[int, str]:
    with demo(output, errors, *flags) as one:
        status = one.ended()
        assert one.said == "", "it has begun to work"
        assert one.complained.startswith("fieldfare: ")
        assert one.complained.count("\n") == 1
        assert "Traceback" not in one.complained
        return status, one.complained


def test_a_taken_port(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        earlier = tmp_path / "demo"
        earlier.mkdir()
        (earlier / ".fieldfare-demo").touch()
        (earlier / "report.html").write_text("of an earlier run")
        status, line = refused(earlier, tmp_path / "errors", "--port", str(port))
    assert status == 2
    assert f"port {port} on 127.0.0.1 is taken" in line
    assert (earlier / "report.html").read_text() == "of an earlier run"


@pytest.mark.parametrize("below", [".", "demo"])
def test_a_file_in_place_of_a_folder(tmp_path: Path, below: str):
    (tmp_path / "file").write_text("mine")
    status, line = refused(tmp_path / "file" / below, tmp_path / "errors")
    assert status == 1
    assert f"cannot write to {tmp_path / 'file' / below}" in line
    assert "--output" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_files_of_others(tmp_path: Path):
    own = tmp_path / "thesis"
    (own / "chapters").mkdir(parents=True)
    (own / "chapters" / "1.txt").write_text("mine")
    (own / "report.html").write_text("mine too")
    status, line = refused(own, tmp_path / "errors")
    assert status == 1
    assert f"{own} holds files that no demo wrote" in line
    assert sorted(one.name for one in own.rglob("*")) == ["1.txt", "chapters", "report.html"]
    assert (own / "chapters" / "1.txt").read_text() == "mine"
    assert (own / "report.html").read_text() == "mine too"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is a folder of Linux")
def test_a_place_that_nobody_may_write(tmp_path: Path):
    status, line = refused(Path("/proc/demo"), tmp_path / "errors")
    assert status == 1
    assert "cannot write to /proc/demo" in line


@pytest.mark.parametrize(("flag", "value"), [("--devices", "1"), ("--target", "nan"), ("--alpha", "inf")])
def test_a_flag_out_of_bounds(tmp_path: Path, flag: str, value: str):
    status, line = refused(tmp_path / "demo", tmp_path / "errors", flag, value)
    assert status == 2
    assert f"fieldfare: {flag}: must be " in line
    assert not (tmp_path / "demo").exists()
