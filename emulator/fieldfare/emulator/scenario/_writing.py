"""A scenario as the TOML from which it is read again."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from fieldfare.core.configuration import keys_of, to_toml
from fieldfare.emulator.scenario._scenario import Scenario

_DURATION = "google.protobuf.Duration"


def scenario_toml(scenario: Scenario) -> str:
    """Every setting with the value that it has, defaults too.

    Paths stand as they were resolved: those that are not absolute begin where the run was started.
    """
    sections: dict[str, list[str]] = {"": []}
    for key in keys_of(type(scenario.settings)):
        value = key.value_in(scenario.settings)
        # Where there is a model, its plan is made from it.
        of_model = key.name == "plan" and scenario.settings.model.source is not None
        if value is not None and not of_model:
            lines = sections.setdefault(".".join(key.path[:-1]), [])
            lines.append(f"{key.path[-1]} = {to_toml(value, nbytes=key.nbytes)}")
    parts = sections.pop("")
    for name, lines in sections.items():
        parts += ["", f"[{name}]", *lines]
    return "\n".join([*parts, *_table(scenario.task.to_proto(), ("task",))]) + "\n"


def _table(message: Message, path: tuple[str, ...]) -> Iterator[str]:
    yield ""
    yield f"[{'.'.join(path)}]"
    inner: list[tuple[str, Message]] = []
    for field, value in message.ListFields():
        if field.name == "encoding":
            stages = [one.WhichOneof("stage") for one in value.stages]
            yield f"encoding = {to_toml(tuple(stages), nbytes=False)}"
        elif field.message_type is not None and field.message_type.full_name == _DURATION:
            yield f'{field.name} = "{value.ToTimedelta().total_seconds():g}s"'
        elif field.message_type is not None:
            inner.append((field.name, value))
        elif field.enum_type is not None:
            yield f'{field.name} = "{_enum(field, value)}"'
        else:
            yield f"{field.name} = {to_toml(value, nbytes=False)}"
    for name, below in inner:
        yield from _table(below, (*path, name))


def _enum(field: Any, value: int) -> str:
    names = field.enum_type.values_by_number
    prefix = names[0].name.removesuffix("UNSPECIFIED")
    return str(names[value].name).removeprefix(prefix)
