"""Regenerate the committed Python code from the `.proto` files, or check that it is current.

    python -m fieldfare.protos.generate           # rewrite it
    python -m fieldfare.protos.generate --check   # exit 1 and name the files that differ

The generator is pinned in pyproject.toml (extra `dev`): its version sets the lowest protobuf and grpcio runtimes on
which the output imports. See docs/dependencies.md.
"""

import argparse
import shutil
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path

PINNED_GENERATOR = "1.73.1"
_VERSION_FOLDER = Path("fieldfare/protos/v1")


def generate(root: Path, out: Path) -> list[Path]:
    """Write the modules and stubs for every `.proto` under `root` into `out`; return their paths relative to it."""
    from grpc_tools import protoc

    protos = sorted(str(path.relative_to(root)) for path in (root / _VERSION_FOLDER).glob("*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    arguments = ["protoc", f"-I{root}", f"-I{well_known}", f"--python_out={out}", f"--pyi_out={out}"]
    services = [name for name in protos if "\nservice " in (root / name).read_text(encoding="utf-8")]
    if protoc.main([*arguments, *protos]) != 0:
        raise SystemExit("protoc failed on the message files; its words stand above")
    plugin = shutil.which("protoc-gen-mypy_grpc", path=str(Path(sys.executable).parent))
    if plugin is None:
        raise SystemExit("mypy-protobuf is not installed beside this Python: pip install -e '.[dev]'")
    grpc_outs = [f"--plugin=protoc-gen-mypy_grpc={plugin}", f"--grpc_python_out={out}", f"--mypy_grpc_out={out}"]
    if protoc.main(["protoc", f"-I{root}", f"-I{well_known}", *grpc_outs, *services]) != 0:
        raise SystemExit("protoc failed on the service files; its words stand above")
    return sorted(path.relative_to(out) for path in (out / _VERSION_FOLDER).glob("*_pb2*"))


def main(argv: list[str] | None = None) -> int:
    """Run the command described at the top of this module; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m fieldfare.protos.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the committed code differs")
    options = parser.parse_args(argv)
    found = metadata.version("grpcio-tools")
    if found != PINNED_GENERATOR:
        print(f"grpcio-tools {PINNED_GENERATOR} is needed, {found} is installed: pip install -e '.[dev]'")
        return 2
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as scratch:
        out = root if not options.check else Path(scratch)
        names = generate(root, out)
        if not options.check:
            print(f"wrote {len(names)} files under {_VERSION_FOLDER}")
            return 0
        stale = [str(name) for name in names if not _same(root / name, out / name)]
        committed = {path.relative_to(root) for path in (root / _VERSION_FOLDER).glob("*_pb2*")}
        stale += [f"{name} (no .proto makes it)" for name in sorted(committed - set(names))]
    for name in stale:
        print(f"differs from what the generator makes: {name}")
    print("generated code: " + ("differs; run python -m fieldfare.protos.generate" if stale else "current"))
    return 1 if stale else 0


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
