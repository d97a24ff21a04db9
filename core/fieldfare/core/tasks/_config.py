"""A task's specification as people write it: nested mappings from TOML or from flags."""

import difflib
from collections.abc import Mapping
from typing import Any

from fieldfare.core.encodings import KNOWN_STAGES
from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks._spec import TaskSpec
from fieldfare.protos.v1 import task_pb2

_ENUM_PREFIXES = {
    "algorithm": "ALGORITHM_",
    "weighting": "WEIGHTING_",
    "combiner": "COMBINER_",
    "kind": "TASK_KIND_",
    "interruption": "INTERRUPTION_",
}
_DURATION = "google.protobuf.Duration"


def task_spec_from_mapping(mapping: Mapping[str, Any]) -> TaskSpec:
    """Read a specification such as `tomllib.load` gives.

    Keys are the field names of `task.proto`; durations are written "90s", algorithms "FEDAVG", an encoding as a list
    of its stages' names, `encoding = ["float16"]`.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a value of the wrong type, a field out of its bounds.
    """
    from google.protobuf import json_format

    # Safe: `_checked` has parsed every value by itself.
    tree = _checked(mapping, task_pb2.TaskSpec.DESCRIPTOR, "")
    return TaskSpec.from_proto(json_format.ParseDict(tree, task_pb2.TaskSpec()))


def _checked(mapping: Mapping[str, Any], descriptor: Any, prefix: str) -> dict[str, Any]:
    fields = descriptor.fields_by_name
    tree: dict[str, Any] = {}
    for key, value in mapping.items():
        dotted = f"{prefix}{key}"
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(fields))}"
            raise ConfigError(f"there is no such key; {hint}", field=dotted)
        tree[key] = _value(value, fields[key], dotted)
    return tree


def _value(value: Any, known: Any, dotted: str) -> Any:
    if known.name == "encoding":
        if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise ConfigError('must be a list of stages, such as ["float16"]', field=dotted)
        if unknown := sorted(set(value) - set(KNOWN_STAGES)):
            raise ConfigError(f"unknown stage {unknown[0]!r}; known are {', '.join(KNOWN_STAGES)}", field=dotted)
        return {"stages": [{one: {}} for one in value]}
    if known.name in _ENUM_PREFIXES:
        return _enum_name(value, known, dotted)
    if known.message_type is not None and known.message_type.full_name != _DURATION:
        if not isinstance(value, Mapping):
            raise ConfigError(f"must be a table, got {value!r}", field=dotted)
        return _checked(value, known.message_type, f"{dotted}.")
    from google.protobuf import json_format, message_factory

    try:
        # Safe: a throw-away message of one field; the words of json_format name the type that was expected.
        json_format.ParseDict({known.name: value}, message_factory.GetMessageClass(known.containing_type)())
    except json_format.ParseError as error:
        raise ConfigError(f"cannot be {value!r}: {error}", field=dotted) from error
    return value


def _enum_name(value: Any, known: Any, dotted: str) -> str:
    prefix = _ENUM_PREFIXES[known.name]
    codes = known.enum_type.values_by_name
    names = [name.removeprefix(prefix) for name in codes if not name.endswith("UNSPECIFIED")]
    if not isinstance(value, str) or value.upper() not in names:
        raise ConfigError(f"must be one of {', '.join(names)}, got {value!r}", field=dotted)
    return prefix + value.upper()
