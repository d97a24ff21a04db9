"""The tensor that holds the examples' labels."""

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.plans import Examples
from fieldfare.emulator.scenario import PartitionSettings


def labels_of(settings: PartitionSettings, examples: Examples) -> NDArray[np.int64]:
    """`(n,)`: the label of each example; where it is one-hot, the place of its 1.

    Raises:
        DataError: no such tensor, or one that holds neither one integer for each example nor one-hot vectors.
    """
    name = settings.labels or list(examples)[-1]
    found = examples.get(name)
    if found is None:
        raise DataError(
            f"there is no tensor {name!r} to take labels from: partition.labels is one of {sorted(examples)}"
        )
    flat = found.reshape(len(found), -1)
    if found.dtype.kind in "iu" and flat.shape[1] == 1:
        return flat[:, 0].astype(np.int64)
    if flat.shape[1] > 1 and bool(((flat == 0) | (flat == 1)).all() and (flat.sum(axis=1) == 1).all()):
        places: NDArray[np.int64] = flat.argmax(axis=1)
        return places
    raise DataError(
        f"{name!r} is {found.dtype}{list(found.shape[1:])}: labels are one integer for each example, or one-hot"
    )


def labels_if_any(settings: PartitionSettings, examples: Examples) -> NDArray[np.int64] | None:
    """As `labels_of`; None where no tensor is named and the last one holds no integers.

    Raises:
        DataError: the tensor that `partition.labels` names is not there, or holds no labels.
    """
    last = list(examples.values())[-1]
    if (
        settings.labels is None
        and settings.kind not in _BY_LABEL
        and (last.dtype.kind not in "iu" or last[0].size != 1)
    ):
        return None
    return labels_of(settings, examples)


_BY_LABEL = {"dirichlet", "shards"}
