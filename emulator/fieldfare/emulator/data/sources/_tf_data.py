"""A function that returns a `tf.data.Dataset`; it runs in a process of its own, and so does TensorFlow."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data._fitting import fit_tensor
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.data.sources._packages import needed
from fieldfare.emulator.own_process import in_own_process

_BATCH = 256


def read_tf_data(source: str, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """Every example that the data set gives, in its order.

    Args:
        source: "path/to/file.py:function" or "package.module:function", without arguments. The data set's elements are
            mappings by column, or tuples whose parts are taken in the order of the plan's tensors; single examples or
            batches.
        wanted: what the plan takes.

    Raises:
        ConfigError: TensorFlow is not installed.
        DataError: elements that do not fit the plan, more than `data.most_bytes`, no end.
        ModelError: the function raised, or returned something else.
        NotFoundError: no such file, module or function.
    """
    gone = DataError(f"{source}: the process that read it has ended, perhaps for lack of memory")
    with tempfile.TemporaryDirectory(prefix="fieldfare-data-") as folder:
        rows, whose = in_own_process(write_tf_data, gone, source, wanted, Path(folder))
        arrays: dict[str, NDArray[Any]] = {
            name: np.fromfile(Path(folder) / str(index), spec.dtype).reshape(rows, *spec.shape)
            for index, (name, spec) in enumerate(wanted.by_column.items())
        }
    if wanted.whose is not None:
        arrays[wanted.whose] = whose
    return arrays


def write_tf_data(source: str, wanted: Wanted, folder: Path) -> tuple[int, NDArray[Any]]:
    """In the process of its own: a file of raw values for each tensor, numbered.

    Returns:
        How many examples there are, and whose each is; none where that is not asked.
    """
    tensorflow = needed("tensorflow", to=f"reading {source}", extra="converters")
    from fieldfare.converters.sources import made_by, users_code

    found = made_by(source)
    if not isinstance(found, tensorflow.data.Dataset):
        raise DataError(f"{source} returned {type(found).__name__}, not a tf.data.Dataset")
    if found.cardinality() == tensorflow.data.INFINITE_CARDINALITY:
        raise DataError(f"{source}: the data set has no end: leave out .repeat()")
    rows, whose = 0, [np.zeros(0, np.int64)] if wanted.whose is None else []
    with ExitStack() as stack:
        files = [stack.enter_context((folder / str(index)).open("wb")) for index in range(len(wanted.specs))]
        batches = iter(_batches(found, wanted, source))
        while True:
            with users_code(source):
                batch = next(batches, None)
            if batch is None:
                break
            count = len(next(iter(batch.values())))
            rows += count
            wanted.check_rows(rows, source)
            for file, (name, spec) in zip(files, wanted.by_column.items(), strict=True):
                piece = _checked(batch[name], count, name, source)
                file.write(fit_tensor(spec, piece, f"{source}: {name!r}").tobytes())
            if wanted.whose is not None:
                whose.append(_checked(batch[wanted.whose], count, wanted.whose, source))
    wanted.check_rows(rows, source)
    return rows, np.concatenate(whose)


def _batches(found: Any, wanted: Wanted, source: str) -> Any:
    """Mappings by column of arrays whose first axis counts examples."""
    named = found.map(lambda *parts: _by_column(parts, wanted, source), num_parallel_calls=1)
    largest = max(wanted.by_column.items(), key=lambda item: item[1].size)
    batched = named if _is_batched(named.element_spec[largest[0]], largest[1]) else named.batch(_BATCH)
    return batched.as_numpy_iterator()


def _by_column(parts: tuple[Any, ...], wanted: Wanted, source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    unnamed = []
    for part in parts:
        if isinstance(part, dict):
            found |= part
        else:
            unnamed += list(part) if isinstance(part, tuple | list) else [part]
    open_columns = [name for name in wanted.names if name not in found]
    if len(unnamed) != len(open_columns):
        listed = ", ".join(repr(name) for name in found) or "none by name"
        raise DataError(
            f"{source}: the plan takes {', '.join(repr(name) for name in wanted.names)}; the data set's elements have "
            f"{listed} and {len(unnamed)} without a name"
        )
    found |= zip(open_columns, unnamed, strict=True)
    return {name: found[name] for name in wanted.names}


def _is_batched(element: Any, spec: TensorSpec) -> bool:
    """By the shape of the largest tensor: that of one example, or of several."""
    shape = element.shape
    if shape.rank is None:
        raise DataError(f"a tensor of the data set has no known rank: batch it, or set its shape, for {spec.name!r}")
    single = shape.is_fully_defined() and shape.num_elements() == spec.size
    return not single


def _checked(array: Any, count: int, name: str, source: str) -> NDArray[Any]:
    is_text = isinstance(array, np.ndarray) and array.dtype.kind == "O"
    if not isinstance(array, np.ndarray) or (is_text and not all(isinstance(one, bytes) for one in array.ravel())):
        raise DataError(f"{source}: {name!r}: its rows have different lengths")
    if len(array) != count:
        raise DataError(f"{source}: tensors have different numbers of examples")
    if is_text:
        return np.array([one.decode("utf-8", "replace") for one in array.ravel()]).reshape(array.shape)
    return array
