"""Flower in a virtual environment of its own."""

import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

VERSION = "1.42.0"
DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "fieldfare-peer"


class CannotInstallError(Exception):
    """The peer cannot be had here; the message says why."""


def flower_python(folder: Path, *, extra: str = "", besides: Sequence[str] = ()) -> tuple[Path, str]:
    """The interpreter of an environment that has Flower, made where it is absent, and what is in it.

    Args:
        folder: of all such environments.
        extra: of Flower's extras, such as "simulation".
        besides: requirements of other packages.

    Raises:
        CannotInstallError: the package index has not got it, or cannot be reached.
    """
    python = folder / "-".join(filter(None, ("flwr", extra))) / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
    wanted = f"flwr[{extra}]" if extra else "flwr"
    if _version(python, "flwr") != VERSION and _pip(python, f"{wanted}=={VERSION}"):
        # Where the index lacks a dependency's newest release: those of the release before, then Flower alone.
        problem = _pip(python, f"{wanted}<={VERSION}") or _pip(python, "--no-deps", f"flwr=={VERSION}")
        if problem:
            raise CannotInstallError(problem)
    if besides and (problem := _pip(python, *besides)):
        raise CannotInstallError(problem)
    others = [one.partition("==")[0] for one in besides]
    names = ("flwr", "grpcio", "protobuf", "numpy", *(["ray"] if extra == "simulation" else []), *others)
    found = ", ".join(f"{one} {_version(python, one)}" for one in names)
    lacking = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True, check=False).stdout
    complaints = [line for line in lacking.splitlines() if line.startswith("flwr")]
    return python, "; ".join([found, *complaints])


def _pip(python: Path, *words: str) -> str:
    """Install; why it failed, or nothing."""
    command = [python, "-m", "pip", "install", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def _version(python: Path, package: str) -> str:
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    done = subprocess.run([python, "-c", code, package], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "absent"


if __name__ == "__main__":
    try:
        print(*flower_python(DEFAULT_FOLDER))
    except CannotInstallError as error:
        sys.exit(f"Flower cannot be installed here: {error}")
