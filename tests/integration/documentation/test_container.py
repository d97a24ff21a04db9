"""The Dockerfile, as far as it can be tried without Docker: what it copies is there, and what it starts is a device."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from fieldfare.aggregator import Aggregator
from fieldfare.sdk import ExampleStore, TensorSpec
from tests.support.commands import FIELDFARE, ROOT, environment

DOCKERFILE = (ROOT / "examples" / "container" / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def test_everything_that_the_build_needs_is_copied() -> None:
    copied = {source for line in _instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    roots = {package.partition("/")[0] for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    named = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"}
    assert copied == roots | named


def test_its_python_is_new_enough_and_its_c_library_is_glibc() -> None:
    least = tuple(map(int, re.findall(r"\d+", PROJECT["project"]["requires-python"])))
    images = [line.split()[0] for line in _instructions("FROM")]
    assert len(set(images)) == 1, "the virtual environment links to the interpreter of the image that made it"
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim-(bookworm|trixie)", images[0])
    assert version is not None
    assert (int(version[1]), int(version[2])) >= least


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_the_image_starts_a_device(tmp_path: Path) -> None:
    data, commands = tmp_path / "data", tmp_path / "bin"
    for folder in (data, commands):
        folder.mkdir()
    (commands / "fieldfare").write_text(f'#!/bin/sh\nexec "{FIELDFARE[0]}" -c "{FIELDFARE[2]}" "$@"\n')
    (commands / "fieldfare").chmod(0o755)
    ExampleStore.create(data / "examples.db", [TensorSpec("x", "float32", (2,))]).close()
    (start,) = _instructions("ENTRYPOINT")
    command = [word.replace("/data", str(data)) for word in json.loads(start)]
    with Aggregator(tmp_path / "state") as aggregator:
        done = subprocess.run(
            [*command, "--population", "digits", "--once"],
            env=environment(PATH=f"{commands}:/usr/bin:/bin", AGGREGATOR=aggregator.address),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "no task for population 'digits'" in done.stdout
    assert (data / "device" / "ledger.db").is_file()
