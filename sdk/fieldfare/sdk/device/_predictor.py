"""Prediction with the last good checkpoint, without a network."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import FieldfareError, NotFoundError, PlanError, StorageError, WeightsError
from fieldfare.core.plans import Examples, PlanRuntime, check_examples
from fieldfare.core.weights import unpack_weights
from fieldfare.sdk.device._current import Current
from fieldfare.sdk.device._folder import DeviceFolder

_LOG = logging.getLogger("fieldfare.sdk")
_UNUSABLE = (NotFoundError, PlanError, StorageError, WeightsError)


class Predictor:
    """Has a runtime of its own, so that it never waits for a round. Methods may be called from any thread.

    Where the newest checkpoint cannot be loaded it predicts with the one before, and says so in the log once.

    Args:
        folder: of a device that has taken part in a round; another process may run it.
        num_threads: threads of the runtime.
    """

    def __init__(self, folder: DeviceFolder, num_threads: int = 1) -> None:
        self._folder = folder
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._loaded: tuple[Current, PlanRuntime] | None = None
        self._unusable: dict[Current, FieldfareError] = {}

    def predict(self, inputs: Examples, *, previous: bool = False) -> dict[str, NDArray[Any]]:
        """Outputs for any number of examples.

        Args:
            inputs: input name to a `(n, *shape)` array of the plan's dtype.
            previous: predict with the checkpoint before the newest one.

        Returns:
            Output name to a `(n, *shape)` array.

        Raises:
            NotFoundError: no round has been taken part in yet, or there is no previous checkpoint.
            DataError: inputs of the wrong name, shape or dtype.
            PlanError, WeightsError, StorageError: neither the newest checkpoint nor the one before can be used.
        """
        with self._lock:
            runtime = self._runtime(previous=previous)
            check_examples(runtime.manifest.input_specs, inputs)
            return runtime.infer(inputs)

    def _runtime(self, *, previous: bool) -> PlanRuntime:
        first: FieldfareError | None = None
        for pair in self._pairs(previous=previous):
            try:
                return self._load(pair)
            except _UNUSABLE as error:
                if pair not in self._unusable:
                    _LOG.warning("version %d of task %s cannot be used: %s", pair.version, pair.task, error)
                self._unusable[pair] = error
                first = first or error
        raise first or NotFoundError("there is no checkpoint to predict with yet: take part in a round first")

    def _pairs(self, *, previous: bool) -> Iterator[Current]:
        models = self._folder.models
        if previous and models.previous is None:
            raise NotFoundError("there is no previous checkpoint: the device has had one at the most")
        if models.current is not None and not previous:
            yield models.current
        if models.previous is not None:
            yield models.previous
        # What is not kept any more need not be remembered.
        kept = {models.current, models.previous}
        self._unusable = {pair: error for pair, error in self._unusable.items() if pair in kept}

    def _load(self, pair: Current) -> PlanRuntime:
        if self._loaded is not None and self._loaded[0] == pair:
            return self._loaded[1]
        # A plan that LiteRT refuses is not tried again for every prediction.
        if isinstance(known := self._unusable.get(pair), PlanError):
            raise known
        plan, checkpoint = (self._folder.cache.path_of(one) for one in (pair.plan, pair.checkpoint))
        if plan is None or checkpoint is None:
            raise NotFoundError("its files are gone from the cache, or were damaged: take part in a round again")
        same = self._loaded is not None and self._loaded[0].plan == pair.plan
        runtime = self._loaded[1] if self._loaded is not None and same else None
        self._loaded = None
        runtime = runtime or PlanRuntime(plan, num_threads=self._num_threads)
        try:
            _, vector = unpack_weights(checkpoint.read_bytes())
        except OSError as error:
            raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error
        runtime.set_weights(vector)
        self._loaded = (pair, runtime)
        return runtime
