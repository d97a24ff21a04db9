"""Global weights and the server optimiser's state, as content-addressed blobs."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fieldfare.aggregator.storage import BlobStore, CheckpointRecord, DamagedError, artifact_key
from fieldfare.core.errors import AggregationError, WeightsError
from fieldfare.core.sessions import Artifact
from fieldfare.core.weights import TensorSpec, pack_weights, sha256, split_vector, unpack_weights

_State = dict[str, NDArray[np.float32]]


def read_artifact(blobs: BlobStore, artifact: Artifact) -> bytes:
    """The whole content, checked.

    Raises:
        DamagedError: gone, or not what its digest says.
        StorageError: it cannot be read now.
    """
    content = blobs.get(artifact_key(artifact.sha256))
    if len(content) != artifact.size_bytes or sha256(content) != artifact.sha256:
        raise DamagedError(f"the artifact {artifact.hex} is damaged: its content does not match its digest")
    return content


def read_checkpoint(
    blobs: BlobStore, checkpoint: CheckpointRecord, specs: Sequence[TensorSpec]
) -> tuple[NDArray[np.float32], _State]:
    """Weights `(total_size,)` float32 and the optimiser's state by name, empty where it has none.

    Raises:
        DamagedError: damaged, or not of these specs.
        StorageError: it cannot be read now.
    """
    try:
        found, weights = unpack_weights(read_artifact(blobs, checkpoint.artifact))
        if found != tuple(specs):
            raise DamagedError(f"checkpoint {checkpoint.version} does not have the plan's weights")
        if checkpoint.optimizer_state is None:
            return weights, {}
        names, flat = unpack_weights(read_artifact(blobs, checkpoint.optimizer_state))
    except WeightsError as error:
        raise DamagedError(f"checkpoint {checkpoint.version} is damaged: {error}") from error
    return weights, split_vector(names, flat)


def write_checkpoint(
    blobs: BlobStore,
    before: CheckpointRecord,
    specs: Sequence[TensorSpec],
    weights: NDArray[np.float32],
    state: _State,
    now: datetime,
) -> CheckpointRecord:
    """Write the next version; the record refers to what is on disk when this returns.

    Raises:
        AggregationError: weights that are not finite.
        StorageError: it cannot be written now.
    """
    if not np.isfinite(weights).all():
        raise AggregationError("the new weights are not finite: choose a smaller server_learning_rate")
    artifact = _put(blobs, pack_weights(specs, weights))
    kept = None
    if state:
        names = [TensorSpec(name, "float32", vector.shape) for name, vector in sorted(state.items())]
        kept = _put(blobs, pack_weights(names, np.concatenate([state[one.name].ravel() for one in names])))
    return CheckpointRecord(before.task_id, before.version + 1, artifact, now, kept)


def _put(blobs: BlobStore, content: bytes) -> Artifact:
    artifact = Artifact(sha256(content), len(content))
    blobs.put(artifact_key(artifact.sha256), [content])
    return artifact
