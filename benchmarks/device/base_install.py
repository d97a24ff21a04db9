"""A virtual environment with what `pip install fieldfare` brings, and no more."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
# They come with every environment, whatever is installed into it.
_NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")


def base_python(folder: Path) -> Path:
    """The interpreter of the environment; this tree's wheel is built and installed into it anew each time."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    wheels = folder / "wheel"
    for old in wheels.glob("*.whl"):
        old.unlink()
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("*.whl")
    _run(str(python), "-m", "pip", "install", "--quiet", str(wheel))
    # The version has not changed, and pip would leave another tree's wheel where it is.
    _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel))
    return python


def installed_bytes(python: Path) -> dict[str, int]:
    """Bytes of the files of each package, without what every environment has; the largest first."""
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    sizes: dict[str, int] = {}
    for path in site.rglob("*"):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(site).parts[0].split("-")[0].removesuffix(".py").removesuffix(".libs")
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    ours = {name: size for name, size in sizes.items() if not name.startswith(_NOT_OURS)}
    return dict(sorted(ours.items(), key=lambda one: -one[1]))


def versions(python: Path) -> str:
    """Such as "numpy 2.4.0, grpcio 1.85.1"."""
    code = (
        "from importlib.metadata import version\n"
        "names = ('ai-edge-litert', 'numpy', 'grpcio', 'protobuf', 'cryptography', 'psutil')\n"
        "print(', '.join(f'{name} {version(name)}' for name in names))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:5])} failed: {done.stderr.strip().splitlines()[-1:]}")
