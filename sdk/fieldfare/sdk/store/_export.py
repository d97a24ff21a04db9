"""A person's own examples as a file for them."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fieldfare.core.errors import ConfigError
from fieldfare.core.files import OWNER_ONLY, write_atomically
from fieldfare.sdk.store._source import StoredExample
from fieldfare.sdk.store._store import ExampleStore


def export(store: ExampleStore, path: Path | str, *, collections: Sequence[str] = ()) -> int:
    """Write all that the store holds to a file with the rights 0600, whole or not at all.

    Args:
        store: the examples.
        path: its ending says how. `.jsonl`: a line of JSON for each example, oldest first, with its id, collection,
            key, time, whether it is held out, and its tensors as nested lists. `.npz`: one `(n, *shape)` array for
            each tensor, oldest first, which `fieldfare device add` reads; it is put together in memory.
        collections: only of these; default: of all.

    Returns:
        The number of examples.

    Raises:
        ConfigError: another ending.
        StorageError: the file cannot be written, or the store is damaged.
    """
    path = Path(path)
    writers = {".jsonl": _write_lines, ".npz": _write_arrays}
    if path.suffix.lower() not in writers:
        raise ConfigError(f"{path}: choose a name that ends in .jsonl or .npz", field="path")
    return writers[path.suffix.lower()](store, path, collections)


def _write_lines(store: ExampleStore, path: Path, collections: Sequence[str]) -> int:
    rows = 0

    def lines() -> Iterator[bytes]:
        nonlocal rows
        for example in store.stored(collections=collections):
            rows += 1
            yield _line(example)

    write_atomically(path, lines(), mode=OWNER_ONLY)
    return rows


def _line(example: StoredExample) -> bytes:
    fields = {
        "id": example.number,
        "collection": example.collection,
        "key": example.key,
        "added": example.added.isoformat(),
        "held_out": example.held_out,
        "tensors": {name: array.tolist() for name, array in example.tensors.items()},
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _write_arrays(store: ExampleStore, path: Path, collections: Sequence[str]) -> int:
    examples = [one.tensors for one in store.stored(collections=collections)]
    arrays = {
        spec.name: np.array([one[spec.name] for one in examples], spec.dtype).reshape(-1, *spec.shape)
        for spec in store.specs
    }
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue(), mode=OWNER_ONLY)
    return len(examples)
