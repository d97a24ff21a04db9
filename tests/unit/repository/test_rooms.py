import ast
from pathlib import Path

import pytest

from tests.unit.repository.rooms import MAY_IMPORT, ROOT, imports, modules


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_namespace_has_no_init(room):
    assert not (ROOT / room / "fieldfare" / "__init__.py").exists()
    assert not (ROOT / room / "__init__.py").exists()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_stands_below_it(room):
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{path}: {name}"
        for path, tree in modules(room)
        for name in imports(path, tree)
        if name.startswith("fieldfare.") and name.split(".")[1] not in allowed
    ]
    assert not wrong


def test_the_guard_sees_every_way_to_import():
    source = (
        "import fieldfare.sdk\n"
        "def f():\n    from fieldfare import aggregator\n    from fieldfare.emulator.x import y\n"
        "from .. import weights\nimportlib.import_module('fieldfare.converters')\n"
    )
    path = Path("core/fieldfare/core/tasks/_spec.py")
    assert sorted(imports(path, ast.parse(source))) == [
        "fieldfare.aggregator",
        "fieldfare.converters",
        "fieldfare.core.weights",
        "fieldfare.emulator.x.y",
        "fieldfare.sdk",
    ]


IMPURE = {
    "asyncio",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "selectors",
    "socket",
    "sqlite3",
    "tempfile",
    "threading",
}
WITH_FILES = {"command", "files.py"}
IMPURE |= {"grpc", "subprocess", "time", "urllib", "uuid", "logging"}


def test_core_has_no_sockets_clocks_threads_or_randomness():
    wrong = [
        f"{path}: {name}"
        for path, tree in modules("core")
        for name in imports(path, tree)
        if name.split(".")[0] in IMPURE and not WITH_FILES & set(path.parts)
    ]
    assert not wrong


def _calls(tree: ast.Module) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_core_asks_no_clock_and_opens_no_file():
    forbidden = {"datetime.now", "datetime.utcnow", "datetime.today", "np.random.default_rng", "open", "print", "input"}
    wrong = {str(path): _calls(tree) & forbidden for path, tree in modules("core") if not WITH_FILES & set(path.parts)}
    assert not {path: calls for path, calls in wrong.items() if calls}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_that_is_there_is_typed_and_has_a_face(room):
    package = ROOT / room / "fieldfare" / room
    if not package.exists():
        pytest.skip("the room is not there yet")
    assert (package / "py.typed").is_file()
    assert (package / "__init__.py").is_file()
