"""What a device keeps, and what its import costs."""

import re
import stat
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError, NotFoundError, StateError
from fieldfare.sdk import Device, ExampleStore, TensorSpec
from fieldfare.sdk.device import Current, DeviceFolder

SPECS = (TensorSpec("x", "float32", (1,)),)


def test_importing_the_sdk_loads_no_runtime() -> None:
    """Nor what is needed only with the first check-in, the first key or the first reading of the machine."""
    late = ("ai_edge_litert", "tensorflow", "grpc", "cryptography", "psutil", "importlib.metadata", "subprocess")
    code = f"import sys, fieldfare.sdk; print([name for name in {late} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_a_device_has_to_install() -> None:
    """Nothing joins this list lightly; docs/dependencies.md says why each is there."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    names = {re.split("[<>=!~ ]", one)[0] for one in project["dependencies"]}
    assert names == {"numpy", "grpcio", "protobuf", "ai-edge-litert", "cryptography", "psutil"}


def test_the_namespace_has_no_init() -> None:
    root = Path(__file__).parents[3] / "sdk" / "fieldfare"
    assert not (root / "__init__.py").exists()
    assert (root / "sdk" / "py.typed").exists()


def test_the_device_id_is_made_once(tmp_path: Path) -> None:
    folder = DeviceFolder(tmp_path / "d", create=True)
    first = folder.device_id()
    assert len(first) == 16
    assert DeviceFolder(tmp_path / "d").device_id() == first
    assert stat.S_IMODE((tmp_path / "d" / "device_id").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    (tmp_path / "d" / "device_id").write_bytes(b"short")
    assert len(folder.device_id()) == 16
    with pytest.raises(NotFoundError):
        DeviceFolder(tmp_path / "absent")


def test_the_current_pair_survives_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = DeviceFolder(tmp_path, create=True)
    assert folder.current is None
    folder.current = Current("a", "b", 3, "t")
    assert DeviceFolder(tmp_path).current == Current("a", "b", 3, "t")
    for content in ("", "{", "[]", '{"plan": "a"}'):
        (tmp_path / "current.json").write_text(content)
        assert folder.current is None
    assert "damaged" in caplog.text


HOLD = """
import sys, time
from fieldfare.sdk.device import DeviceFolder
DeviceFolder(sys.argv[1]).lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_cannot_run_the_same_folder(tmp_path: Path) -> None:
    folder = DeviceFolder(tmp_path, create=True)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StateError, match="another device is running"):
            folder.lock.acquire()
        process.kill()
    folder.lock.acquire()
    folder.lock.acquire()
    folder.lock.release()


@pytest.mark.parametrize("population", ["", "x" * 65])
def test_a_population_that_cannot_be(tmp_path: Path, population: str) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store, pytest.raises(ConfigError, match="population"):
        Device(tmp_path / "d", aggregator="127.0.0.1:1", population=population, store=store)


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    class Slow:
        """Its check-in lasts until the test lets it end."""

        def __init__(self) -> None:
            self.begun, self.end = threading.Event(), threading.Event()

        def check_in(self, request, stop=None):
            from fieldfare.protos.v1 import aggregator_pb2

            self.begun.set()
            self.end.wait(30)
            return aggregator_pb2.CheckInResponse(come_back=aggregator_pb2.ComeBack(reason="later"))

        def fetch(self, request, stop=None):
            raise AssertionError

        def report(self, requests, stop=None):
            raise AssertionError

        def close(self) -> None:
            raise AssertionError("the caller closes what it passed in")

    transport = Slow()
    with (
        ExampleStore.create(tmp_path / "s.db", SPECS) as store,
        Device(tmp_path / "d", aggregator=transport, population="p", store=store) as device,
    ):
        other = threading.Thread(target=device.run_once)
        other.start()
        assert transport.begun.wait(30)
        with pytest.raises(StateError, match="another thread"):
            device.run_once()
        transport.end.set()
        other.join()
        assert device.run_once().detail == "later"
