"""What docs/support.md is made of: rows that a test trains on both sides, refusals that a test provokes.

A module for each part of Keras (layers.py, losses.py, ...) has one `SECTION`. A public name of that part is covered by
a row, refused with a reason, or a helper that computes nothing; `test_support.py` fails for a name with none of the
three. To add a section: write its module, and name it in `SECTION_MODULES` in table.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TypeVar

import keras

PAGE_KERAS = "3.15"
"""The release of Keras whose public names the sections account for, and with which the page is made; or a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: something that trains in a plan as it does in Keras.

    Attributes:
        name: as the table shows it; unique in its section. By convention the public name, then the variant.
        covers: public names of Keras that this row is a test of; may be empty for a variant.
        stands_in: what takes the place of Keras's own operations.
        note: where and why plan and Keras differ.
        since: the release of Keras that the row needs, such as "3.14"; empty where any that is supported will do.
    """

    name: str
    covers: tuple[str, ...] = ()
    stands_in: str = ""
    note: str = ""
    since: str = ""

    def stand_ins(self) -> str:
        """What the table says about that."""
        return self.stands_in


RowKind = TypeVar("RowKind", bound=Row)


def has_keras(release: str) -> bool:
    """Whether the Keras at hand is `release`, such as "3.14", or a later one; true for an empty string."""
    at_hand = tuple(int(one) for one in keras.__version__.split(".")[:2])
    return not release or at_hand >= tuple(int(one) for one in release.split("."))


def available(rows: Iterable[RowKind]) -> tuple[RowKind, ...]:
    """The rows that the Keras at hand can train."""
    return tuple(row for row in rows if has_keras(row.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the table.

    Attributes:
        title: heading.
        module: the part of Keras whose public names the section accounts for.
        rows: what trains.
        refused: public name to why, and to what to do instead.
        helpers: public names that compute nothing themselves: base classes, `get`, `deserialize`.
        intro: a sentence or two under the heading.
    """

    title: str
    module: ModuleType
    rows: tuple[Row, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    helpers: frozenset[str] = frozenset()
    intro: str = ""

    @property
    def public_names(self) -> tuple[str, ...]:
        """Everything public in the module, sorted."""
        return tuple(name for name in dir(self.module) if not name.startswith("_"))

    @property
    def unaccounted(self) -> tuple[str, ...]:
        """Public names with neither row nor refusal, and that are no helpers; an alias counts as what it names."""
        known = {*self.refused, *self.helpers, *(name for row in self.rows for name in row.covers)}
        objects = [getattr(self.module, name) for name in known]
        return tuple(
            name
            for name in self.public_names
            if name not in known and not any(getattr(self.module, name) is one for one in objects)
        )
