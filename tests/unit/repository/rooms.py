"""Where the rooms are, and what each module imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MAY_IMPORT = {
    "protos": set(),
    "core": {"protos"},
    "converters": {"core", "protos"},
    "sdk": {"core", "protos"},
    "aggregator": {"core", "protos"},
    "emulator": {"sdk", "aggregator", "converters", "core", "protos"},
}


def modules(room: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of a room with its syntax tree; nothing for a room that is not there yet."""
    for path in sorted((ROOT / room / "fieldfare" / room).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Dotted names of all that a module imports, at its top or inside functions; relative ones made absolute."""
    package = list(path.parts[1:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_module(node) and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def _is_import_module(node: ast.Call) -> bool:
    return "import_module" in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")} and bool(node.args)
