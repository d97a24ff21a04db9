"""The keys of a settings class."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

FLAT = "flat"
"""Mark of a field that is a dataclass, `metadata={FLAT: True}`, whose fields stand beside it and not in its section."""


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        path: names of the tables in which it stands, then its own: ("limits", "max_reports").
        attributes: names of the attributes that lead to it.
        kind: its type.
        owner: the dataclass of which it is a field.
        nbytes: whether it is a number of bytes.
    """

    path: tuple[str, ...]
    attributes: tuple[str, ...]
    kind: Any
    owner: type
    nbytes: bool

    @property
    def name(self) -> str:
        """The dotted name."""
        return ".".join(self.path)

    def value_in(self, settings: Any) -> Any:
        """Its value."""
        for name in self.attributes:
            settings = getattr(settings, name)
        return settings


def keys_of(cls: type, path: tuple[str, ...] = (), attributes: tuple[str, ...] = ()) -> Iterator[Key]:
    """Every key of a settings class, in the order in which the fields stand.

    Args:
        cls: a dataclass.
        path: names of the tables around it.
        attributes: names of the attributes around it.
    """
    for name, (kind, one) in members(cls).items():
        inner = (*attributes, name)
        if is_dataclass(kind):
            yield from keys_of(kind, path if one.metadata.get(FLAT) else (*path, name), inner)  # type: ignore[arg-type]
        else:
            yield Key((*path, name), inner, kind, cls, name.endswith("_bytes"))


def members(cls: type) -> dict[str, "tuple[Any, Field[Any]]"]:
    """Type and field by name."""
    hints = get_type_hints(cls)
    return {one.name: (hints[one.name], one) for one in fields(cls)}
