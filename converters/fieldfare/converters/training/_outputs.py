"""Loss and metrics as `model.compile` takes them, one entry for each output."""

from collections.abc import Mapping
from typing import Any

from fieldfare.converters.models import output_names


def spread(given: Any, model: Any, what: str, problems: list[str]) -> list[Any]:
    """One entry for each output, from a list or a dict by output name; None where there is none.

    Args:
        given: list or dict of entries, or the one entry.
        model: in functional form.
        what: "loss" or "metrics", for the sentences that go into `problems`.
        problems: receives a sentence for entries that no output has.
    """
    names = output_names(model)
    if isinstance(given, Mapping):
        problems.extend(
            f"{what} {name!r} is for no output; the outputs are {', '.join(names)}" for name in set(given) - set(names)
        )
        return [given.get(name) for name in names]
    entries = list(given) if isinstance(given, list | tuple) else [given]
    if len(entries) != len(names):
        problems.append(f"the model has {len(names)} outputs ({', '.join(names)}) and {len(entries)} {what} entries")
        return [None] * len(names)
    return entries


def name_of(found: Any) -> str:
    """How Keras calls a loss or metric, be it an object or a function."""
    return str(getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__))
