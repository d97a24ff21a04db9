import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.unit.repository.rooms import MAY_IMPORT, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEVICE = {"numpy", "grpcio", "protobuf", "ai-edge-litert", "cryptography", "psutil"}


def names(requirements: list[str]) -> set[str]:
    found = {re.match(r"[A-Za-z0-9._-]+", one).group().lower() for one in requirements}
    return found - {"fieldfare"}


def test_a_device_needs_six_packages_and_no_more():
    assert names(PROJECT["dependencies"]) <= DEVICE


def test_every_dependency_is_told_in_the_documentation():
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    wanted = names(PROJECT["dependencies"])
    for requirements in PROJECT["optional-dependencies"].values():
        wanted |= names(requirements)
    missing = sorted(name for name in wanted if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told))
    assert not missing


def test_every_sub_command_names_an_extra_that_exists():
    for name, target in PROJECT["entry-points"]["fieldfare.commands"].items():
        extra = re.search(r"\[(.+)\]", target)
        assert extra is None or extra.group(1) in PROJECT["optional-dependencies"], name
        room = target.split(".")[1]
        assert (extra is None) == (room in {"core", "sdk"}), f"{name}: who installs a device has {room}?"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_committed_generated_code_is_current():
    done = run("-m", "fieldfare.protos.generate", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_every_room_and_nothing_else(tmp_path):
    done = run("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    for room in MAY_IMPORT:
        if (ROOT / room / "fieldfare" / room).exists():
            assert f"fieldfare/{room}/__init__.py" in files
            assert f"fieldfare/{room}/py.typed" in files
    assert "fieldfare/__init__.py" not in files
    assert "fieldfare/protos/v1/aggregator_pb2.py" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert {name.split("/")[0] for name in files} == {"fieldfare", f"fieldfare-{PROJECT['version']}.dist-info"}
    assert not [name for name in files if re.search(r"(^|/)(tests?/|test_|conftest|__pycache__)", name)]


HEAVY = ["tensorflow", "keras", "sqlalchemy", "sklearn", "matplotlib", "ray", "jinja2"]


@pytest.mark.parametrize(
    "statement",
    [
        "import fieldfare.core.command, fieldfare.core.sessions, fieldfare.core.plans",
        "import fieldfare.sdk",
        "from importlib.metadata import entry_points; [one.load() for one in entry_points(group='fieldfare.commands')]",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement):
    if "sdk" in statement and not (ROOT / "sdk/fieldfare/sdk").exists():
        pytest.skip("the room is not there yet")
    done = run("-c", f"import sys; {statement}; print(*(name for name in {HEAVY} if name in sys.modules))")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_help_of_the_command_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['fieldfare', '--help']\n"
        "from fieldfare.core.command import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n"
        f"    print(stop.code, *(name for name in {HEAVY} if name in sys.modules))"
    )
    assert run("-c", script).stdout.splitlines()[-1] == "0"
