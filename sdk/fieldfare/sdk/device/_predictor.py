"""Prediction with the last good checkpoint, without a network."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import FieldfareError, NotFoundError, PlanError, StorageError, WeightsError
from fieldfare.core.plans import Examples, PlanRuntime, check_examples
from fieldfare.core.weights import unpack_weights
from fieldfare.sdk.device._current import Current, Models
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.personal import PersonalRecord, overlaid

_LOG = logging.getLogger("fieldfare.sdk")
_UNUSABLE = (NotFoundError, PlanError, StorageError, WeightsError)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What may be predicted with.

    Attributes:
        pair: plan and shared weights.
        own: digest of the device's own weights over them; empty for none.
        record: what the file says of those.
    """

    pair: Current
    own: str = ""
    record: PersonalRecord | None = field(default=None, compare=False)

    @property
    def words(self) -> str:
        """For the log."""
        of = f"version {self.pair.version} of task {self.pair.task}"
        return f"the device's own weights over {of}" if self.own else of


class Predictor:
    """Has a runtime of its own, so that it never waits for a round. Methods may be called from any thread.

    It predicts with the device's own weights where there are any, else with the newest checkpoint; where something
    cannot be loaded, with what comes next, down to the checkpoint before, and says so in the log once.

    Args:
        folder: of a device that has taken part in a round; another process may run it.
        num_threads: threads of the runtime.
    """

    def __init__(self, folder: DeviceFolder, num_threads: int = 1) -> None:
        self._folder = folder
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._loaded: tuple[_Choice, PlanRuntime] | None = None
        self._unusable: dict[_Choice, FieldfareError] = {}

    def predict(self, inputs: Examples, *, previous: bool = False, personal: bool = True) -> dict[str, NDArray[Any]]:
        """Outputs for any number of examples.

        Args:
            inputs: input name to a `(n, *shape)` array of the plan's dtype.
            previous: predict with the checkpoint before the newest one.
            personal: predict with the device's own weights where there are any.

        Returns:
            Output name to a `(n, *shape)` array.

        Raises:
            NotFoundError: no round has been taken part in yet, or there is no previous checkpoint.
            DataError: inputs of the wrong name, shape or dtype.
            PlanError, WeightsError, StorageError: neither the newest checkpoint nor the one before can be used.
        """
        with self._lock:
            runtime = self._runtime(previous=previous, personal=personal)
            check_examples(runtime.manifest.input_specs, inputs)
            return runtime.infer(inputs)

    def _runtime(self, *, previous: bool, personal: bool) -> PlanRuntime:
        first: FieldfareError | None = None
        for choice in self._choices(previous=previous, personal=personal):
            try:
                return self._load(choice)
            except _UNUSABLE as error:
                if choice.own and self._folder.personal.record() != choice.record:
                    # Safe: each turn needs another file that was written just now.
                    return self._runtime(previous=previous, personal=personal)
                if choice not in self._unusable:
                    _LOG.warning("%s cannot be used: %s", choice.words, error)
                self._unusable[choice] = error
                first = first or error
        raise first or NotFoundError("there is no checkpoint to predict with yet: take part in a round first")

    def _choices(self, *, previous: bool, personal: bool) -> list[_Choice]:
        models, record = self._folder.models, self._folder.personal.record()
        own = [] if record is None else _own(record, models)
        shared = [_Choice(pair) for pair in (models.current, models.previous) if pair is not None]
        # What is not kept any more need not be remembered.
        self._unusable = {one: error for one, error in self._unusable.items() if one in {*own, *shared}}
        if previous:
            if models.previous is None:
                raise NotFoundError("there is no previous checkpoint: the device has had one at the most")
            return shared[1:]
        return own + shared if personal else shared

    def _load(self, choice: _Choice) -> PlanRuntime:
        if self._loaded is not None and self._loaded[0] == choice:
            return self._loaded[1]
        # A plan that LiteRT refuses, or weights that are damaged, are not tried again for every prediction.
        if isinstance(known := self._unusable.get(choice), (PlanError, WeightsError)):
            raise known
        plan, vector = self._files(choice)
        same = self._loaded is not None and self._loaded[0].pair.plan == choice.pair.plan
        runtime = self._loaded[1] if self._loaded is not None and same else None
        self._loaded = None
        runtime = runtime or PlanRuntime(plan, num_threads=self._num_threads)
        runtime.set_weights(vector)
        self._loaded = (choice, runtime)
        return runtime

    def _files(self, choice: _Choice) -> tuple[Path, NDArray[np.float32]]:
        """The plan's file, and the weights."""
        pair = choice.pair
        plan, checkpoint = (self._folder.cache.path_of(one) for one in (pair.plan, pair.checkpoint))
        if plan is None or checkpoint is None:
            raise NotFoundError("its files are gone from the cache, or were damaged: take part in a round again")
        try:
            specs, vector = unpack_weights(checkpoint.read_bytes())
        except OSError as error:
            raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error
        if choice.record is not None:
            vector = overlaid(specs, vector, *self._folder.personal.weights(choice.record))
        return plan, vector


def _own(record: PersonalRecord, models: Models) -> list[_Choice]:
    """The device's own weights, as long as they are of the present plan and task.

    They may rest on an older checkpoint: it stays in the cache until newer ones are adapted.
    """
    current = models.current
    fits = current is not None and (record.plan, record.task) == (current.plan, current.task)
    if not (record.kept and fits) or record.checkpoint == models.left:
        return []
    pair = Current(record.plan, record.checkpoint, record.version, record.task)
    return [_Choice(pair, record.sha256, record)]
