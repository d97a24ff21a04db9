"""The unit files are such as systemd takes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

UNITS = ROOT / "examples" / "raspberry_pi" / "systemd"
NAMES = ("activity.service", "activity-train.service", "activity-train.timer")
SERVICES = NAMES[:2]
_MOST_EXPOSED = 2.0
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there: it is in Debian's package systemd"
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with the commands that they start in a folder of the test instead of /opt."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("python", "fieldfare"):
        (commands / name).symlink_to(sys.executable)
    for name in NAMES:
        text = (UNITS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/fieldfare/bin", str(commands)), encoding="utf-8")
    return tmp_path


def _analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
def test_systemd_takes_every_unit(installed: Path) -> None:
    done = _analyze("verify", "--man=no", *(f"./{name}" for name in NAMES), folder=installed)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "activity" in line]


@needs_systemd
def test_systemd_sees_a_key_that_is_wrong(installed: Path) -> None:
    unit = installed / "activity.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("MemoryMax=128M", "MemoryMax=much"), encoding="utf-8")
    told = _analyze("verify", "--man=no", "./activity.service", folder=installed).stderr
    assert "activity.service" in told
    assert "memory limit 'much'" in told


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_the_services_are_shut_in(installed: Path, name: str) -> None:
    done = _analyze("security", "--offline=true", f"./{name}", folder=installed)
    assert done.returncode == 0, done.stderr
    exposure = next(line for line in done.stdout.splitlines() if "Overall exposure level" in line)
    assert float(exposure.rsplit(":", 1)[1].split()[0]) <= _MOST_EXPOSED


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not there")
def test_the_user_is_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "group").write_text("dialout:x:20:\n")
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "activity" in (tmp_path / "etc" / "passwd").read_text()
    assert "dialout:x:20:activity" in (tmp_path / "etc" / "group").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_both_services_share_user_and_state(name: str) -> None:
    lines = (UNITS / name).read_text(encoding="utf-8").splitlines()
    assert {"User=activity", "StateDirectory=activity", "EnvironmentFile=/etc/activity.env"} <= set(lines)
    assert "Environment=OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=1" in lines
