"""Google docstrings as Markdown, and signatures as they stand in the source."""

import ast
import copy
import inspect
import re
import textwrap
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef
_LONGEST_SIGNATURE = 110
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields)( \([^)]*\))?:$")
_ITEM = re.compile(r"^(\*{0,2}[\w.]+(?:, [\w.]+)*): (.*)$", re.DOTALL)


def as_markdown(docstring: str) -> str:
    """A docstring's paragraphs, with each section as a list."""
    blocks: list[str] = []
    lines = inspect.cleandoc(docstring).splitlines()
    while lines:
        line = lines.pop(0)
        heading = _SECTION.match(line)
        if heading is None:
            blocks.append(line)
            continue
        body = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        blocks += [
            "",
            f"{heading[1]}{heading[2] or ''}:",
            "",
            *_items(textwrap.dedent("\n".join(body)), heading[1]),
            "",
        ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip()


def _items(body: str, heading: str) -> list[str]:
    found: list[str] = []
    for line in body.strip().splitlines():
        if line.startswith(" ") and found:
            found[-1] += f" {line.strip()}"
        elif line or not found:
            found.append(line)
    if heading in {"Returns", "Yields"}:
        return [" ".join(one for one in found if one)]
    return [_item(one) for one in found]


def _item(text: str) -> str:
    parts = _ITEM.match(text)
    if parts is None:
        return f"- {text}"
    names = ", ".join(f"`{name}`" for name in parts[1].split(", "))
    return f"- {names}: {parts[2]}"


def class_source(one: type) -> ast.ClassDef:
    """The syntax tree of a class."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    assert isinstance(found, ast.ClassDef)
    return found


def function_source(one: Any) -> Function:
    """The syntax tree of a function."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    assert isinstance(found, Function)
    return found


def signature(function: Function, *, name: str = "") -> str:
    """Such as `add(example: Mapping[str, Any], *, key: str | None = None) -> int`; long ones in several lines."""
    arguments = copy.deepcopy(function.args)
    if arguments.args and arguments.args[0].arg in {"self", "cls"}:
        del arguments.args[0]
    returns = "" if function.returns is None or function.name == "__init__" else f" -> {ast.unparse(function.returns)}"
    _Public().visit(arguments)
    begin = "async " if isinstance(function, ast.AsyncFunctionDef) else ""
    return _call(begin + (name or function.name), _one_by_one(arguments), returns)


def _one_by_one(arguments: ast.arguments) -> list[str]:
    """Each argument's source."""
    stars = {"*"} if arguments.kwonlyargs and arguments.vararg is None else set()
    plain = arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    found = [_argument(one, default) for one, default in zip(plain, defaults, strict=True)]
    if arguments.vararg is not None:
        found.append(f"*{ast.unparse(arguments.vararg)}")
    found += stars
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [*found, *(_argument(one, default) for one, default in pairs)]


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(one) + ("" if default is None else f" = {ast.unparse(default)}")


def _call(name: str, arguments: list[str], returns: str) -> str:
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= _LONGEST_SIGNATURE:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), f"){returns}"])


class _Public(ast.NodeTransformer):
    """Writes `...` for a private name."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(...) if node.id.startswith("_") else node


def decorators(function: Function) -> set[str]:
    """Names of its decorators."""
    return {ast.unparse(one).partition("(")[0] for one in function.decorator_list}


def made_with(one: ast.ClassDef) -> str:
    """A data class's fields as the arguments with which it is made."""
    named = [copy.deepcopy(child) for child in one.body if isinstance(child, ast.AnnAssign)]
    for child in named:
        _Public().visit(child)
        if isinstance(child.value, ast.Call) and ast.unparse(child.value.func) == "field":
            child.value = ast.Constant(...)
    return _call(one.name, [ast.unparse(child) for child in named], "")


def constants(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """What a module assigns: name to the value's source, and to the string after it, "" where there is none."""
    found = {}
    for here, after in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
        if not isinstance(here, ast.Assign | ast.AnnAssign) or here.value is None:
            continue
        target = here.targets[0] if isinstance(here, ast.Assign) else here.target
        found[ast.unparse(target)] = ast.unparse(here.value), _string(after)
    return found


def _string(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return value if isinstance(value, str) else ""
    return ""
