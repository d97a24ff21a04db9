"""For which platforms the device's packages have wheels, as pip finds them on the package index.

    python -m benchmarks.wheels
    python -m benchmarks.wheels --python 3.13 --platform "Linux aarch64, glibc 2.36"

Prints a Markdown table: the newest version that has a wheel, or "none". It asks pip for each package of the base
install on each platform, and downloads metadata only.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_MISSING = "No matching distribution found"
_TIMEOUT_S = 120


def _glibc(newest: int, machine: str) -> tuple[str, ...]:
    """Tags of wheels that run with glibc 2.`newest`; pip does not derive the older ones."""
    old = [f"manylinux2014_{machine}", *([f"manylinux2010_{machine}"] if machine == "x86_64" else [])]
    return tuple(f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)) + tuple(old)


PLATFORMS = {
    "Linux x86-64, glibc 2.28": _glibc(28, "x86_64"),
    "Linux aarch64, glibc 2.31": _glibc(31, "aarch64"),
    "Linux aarch64, glibc 2.36": _glibc(36, "aarch64"),
    "Linux 32-bit ARM, glibc 2.36": (*_glibc(36, "armv7l"), "linux_armv7l"),
    "Linux x86-64, musl 1.2": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "Linux aarch64, musl 1.2": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
    "macOS 14, Apple silicon": ("macosx_14_0_arm64",),
    "macOS 14, Intel": ("macosx_14_0_x86_64",),
    "Windows, x86-64": ("win_amd64",),
    "Windows, ARM64": ("win_arm64",),
}
"""What people call it, and the platform tags of wheels that run there."""


class UnreachableIndexError(Exception):
    """pip could not ask, for another reason than that there is no wheel."""


def newest_wheel(requirement: str, tags: tuple[str, ...], python: str) -> str:
    """The newest version with a wheel for one of the tags; "none" where there is none.

    Raises:
        UnreachableIndexError: the index cannot be reached, or pip is too old.
    """
    platforms = [word for tag in tags for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check"]
    command += ["--ignore-installed", "--no-deps", "--only-binary=:all:", "--target", "unused", "--report", "-"]
    command += ["--implementation", "cp", "--python-version", python, *platforms, requirement]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode == 0:
        return version_of(done.stdout)
    if _MISSING in done.stderr:
        return "none"
    raise UnreachableIndexError(f"pip failed for {requirement}: {done.stderr.strip()[-500:]}")


def version_of(report: str) -> str:
    """The version in pip's report of one package."""
    (found,) = json.loads(report)["install"]
    return str(found["metadata"]["version"])


def table(requirements: list[str], found: dict[tuple[str, str], str], platforms: list[str]) -> Iterator[str]:
    """Lines of the Markdown table; `found` maps platform and requirement to a version."""
    names = [requirement.split(">")[0] for requirement in requirements]
    yield f"| platform | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    for platform in platforms:
        yield f"| {platform} | {' | '.join(found[platform, one] for one in requirements)} |"


def main() -> int:
    """Print the table; exit status 1 where the index cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.11", metavar="VERSION", help="of CPython (%(default)s)")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, metavar="NAME", help="only this row")
    options = parser.parse_args()
    requirements: list[str] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    platforms = options.platform or list(PLATFORMS)
    questions = [(platform, one) for platform in platforms for one in requirements]
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda it: newest_wheel(it[1], PLATFORMS[it[0]], options.python), questions)
            found = dict(zip(questions, answers, strict=True))
    except UnreachableIndexError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"CPython {options.python}:\n")
    print("\n".join(table(requirements, found, platforms)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
