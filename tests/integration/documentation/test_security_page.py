"""The set-up in docs/security.md, run as it stands there; only host and ports are changed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import FIELDFARE, ROOT, environment, free_port, started
from tests.unit.aggregator.world import PLAN

# What needs a plan that can be trained and a store of examples: other tests run these.
NEEDS_MORE = ("fieldfare task submit", "fieldfare device run")


def commands() -> list[str]:
    """Commands of the set-up, lines that go on joined."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    setup = page.partition("## From nothing")[2].partition("\n## ")[0]
    lines = [line.removeprefix("    ") for line in setup.splitlines() if line.startswith("    ")]
    return re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page makes its certificates with openssl")
@pytest.mark.slow
def test_the_set_up_works(tmp_path: Path) -> None:
    (tmp_path / "digits.tflite").write_bytes(PLAN)
    program = tmp_path / "bin" / "fieldfare"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {FIELDFARE[0]} -c '{FIELDFARE[2]}' \"$@\"\n")
    program.chmod(0o755)
    env = environment(PATH=f"{program.parent}:/usr/bin:/bin")
    devices, admin = free_port(), free_port()

    def here(command: str) -> str:
        names = command if command.startswith(("openssl", "printf")) else command.replace("fl.example.org", "localhost")
        names = names.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        return names.replace("8470", str(devices)).replace("8471", str(admin))

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", here(command)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    listed = commands()
    serve = next(index for index, one in enumerate(listed) if one.startswith("fieldfare serve"))
    for command in listed[:serve]:
        run(command)
    argv = here(listed[serve]).split()[1:]
    device = ""
    with started(*argv, "--enrollment", "required", cwd=tmp_path) as server:
        server.wait_for("listening for administration")
        for command in listed[serve + 1 :]:
            if command.startswith(NEEDS_MORE):
                continue
            output = run(command.replace("DEVICE", device))
            if "devices list" in command:
                device = output.split()[0]
            if "admin audit" in command:
                assert "RevokeDevice" in output
    assert len(device) == 32
