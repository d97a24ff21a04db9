"""Prediction with the last good checkpoint, without a network."""

import threading
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import NotFoundError, StorageError
from fieldfare.core.plans import Examples, PlanRuntime, check_examples
from fieldfare.core.weights import unpack_weights
from fieldfare.sdk.device._current import Current
from fieldfare.sdk.device._folder import DeviceFolder


class Predictor:
    """Has a runtime of its own, so that it never waits for a round. Methods may be called from any thread.

    Args:
        folder: of a device that has taken part in a round.
        num_threads: threads of the runtime.
    """

    def __init__(self, folder: DeviceFolder, num_threads: int = 1) -> None:
        self._folder = folder
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._loaded: tuple[Current, PlanRuntime] | None = None

    def predict(self, inputs: Examples) -> dict[str, NDArray[Any]]:
        """Outputs for any number of examples.

        Args:
            inputs: input name to a `(n, *shape)` array of the plan's dtype.

        Returns:
            Output name to a `(n, *shape)` array.

        Raises:
            NotFoundError: no round has been taken part in yet.
            DataError: inputs of the wrong name, shape or dtype.
            PlanError, WeightsError: the cached plan or checkpoint is damaged.
        """
        with self._lock:
            runtime = self._runtime()
            check_examples(runtime.manifest.input_specs, inputs)
            return runtime.infer(inputs)

    def _runtime(self) -> PlanRuntime:
        current = self._folder.current
        if current is None:
            raise NotFoundError("there is no checkpoint to predict with yet: take part in a round first")
        if self._loaded is not None and self._loaded[0] == current:
            return self._loaded[1]
        plan, checkpoint = (self._folder.cache.path_of(one) for one in (current.plan, current.checkpoint))
        if plan is None or checkpoint is None:
            raise NotFoundError("the last checkpoint is gone from the cache: take part in a round first")
        same = self._loaded is not None and self._loaded[0].plan == current.plan
        runtime = self._loaded[1] if self._loaded is not None and same else None
        self._loaded = None
        runtime = runtime or PlanRuntime(plan, num_threads=self._num_threads)
        try:
            _, vector = unpack_weights(checkpoint.read_bytes())
        except OSError as error:
            raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error
        runtime.set_weights(vector)
        self._loaded = (current, runtime)
        return runtime
