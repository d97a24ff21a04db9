"""Keeps a device's own weights in step with the checkpoints that come."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from fieldfare.core.errors import FieldfareError, NotFoundError, StateError, StorageError, WeightsError
from fieldfare.core.weights import unpack_weights
from fieldfare.sdk.device._current import Current
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.personal import Personal, PersonalRecord, personalise
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training import (
    NO_LIMITS,
    Interrupt,
    Interrupted,
    Limits,
    LocalTrainer,
    check_memory,
    time_limit,
)

_LOG = logging.getLogger("fieldfare.sdk")


@dataclass(slots=True)
class Personaliser:
    """For the process that holds the folder's lock. Nothing here knows of a transport.

    Attributes:
        folder: of the device.
        trainer: runs the plan.
        source: the examples.
        settings: what to adapt, and how.
        now: the present, timezone-aware.
        rng: gives the order of the examples.
        limits: what the app lets it take.
        clock: seconds that pass, from any beginning.
    """

    folder: DeviceFolder
    trainer: LocalTrainer
    source: ExampleSource
    settings: Personal
    now: Callable[[], datetime]
    rng: Callable[[], "np.random.Generator"]
    limits: Limits = NO_LIMITS
    clock: Callable[[], float] = time.monotonic
    _failed: Current | None = field(default=None, init=False)

    def run(self, interrupt: Interrupt) -> PersonalRecord:
        """Adapt the newest checkpoint, whatever was adapted before, and keep what is better.

        Raises:
            NotFoundError: there is no checkpoint yet, or its files are gone.
            StateError: `interrupt` gave a reason; what was kept before is still there.
            ConfigError, DataError, PlanError, WeightsError, StorageError: see `personalise`.
        """
        pair = self.folder.current
        if pair is None:
            raise NotFoundError("there is no checkpoint to personalise yet: take part in a round first")
        try:
            return self._adapt(pair, interrupt)
        except Interrupted as reason:
            raise StateError(f"personalisation was given up: {reason}") from reason

    def run_if_due(self, interrupt: Interrupt) -> PersonalRecord | None:
        """The same, once for each checkpoint, and again where the settings are others; failures go to the log.

        Raises:
            StorageError: the folder cannot be read.
        """
        pair = self.folder.current
        if pair is None or pair == self._failed or self._is_done(pair) or interrupt():
            return None
        try:
            return self._adapt(pair, interrupt)
        except Interrupted as reason:
            _LOG.info("personalisation waits: %s", reason)
        except FieldfareError as error:
            _LOG.warning("personalisation with version %d failed: %s", pair.version, error)
            self._failed = pair
        return None

    def _is_done(self, pair: Current) -> bool:
        record = self.folder.personal.record()
        return record is not None and (record.plan, record.checkpoint, record.settings) == (
            pair.plan,
            pair.checkpoint,
            self.settings.digest,
        )

    def _adapt(self, pair: Current, interrupt: Interrupt) -> PersonalRecord:
        plan, checkpoint = (self.folder.cache.path_of(one) for one in (pair.plan, pair.checkpoint))
        if plan is None or checkpoint is None:
            raise NotFoundError("the checkpoint's files are gone from the cache: take part in a round first")
        check_memory(plan, self.limits)
        manifest = self.trainer.load(plan, pair.plan)
        try:
            specs, vector = unpack_weights(checkpoint.read_bytes())
        except OSError as error:
            raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error
        if specs != manifest.weight_specs:
            raise WeightsError("the checkpoint does not have the weights of the plan")
        local = self.limits.bounded(self.settings.local)
        done = personalise(
            self.trainer,
            manifest,
            vector,
            self.source,
            replace(self.settings, local=local),
            rng=self.rng(),
            interrupt=interrupt,
            enough=time_limit(self.limits.seconds(local), self.clock),
        )
        record = PersonalRecord(
            plan=pair.plan,
            checkpoint=pair.checkpoint,
            version=pair.version,
            task=pair.task,
            kept=done.kept,
            detail=done.detail,
            tensors=tuple(one.name for one in done.specs),
            examples=done.examples,
            held_out=done.held_out,
            shared=done.shared,
            own=done.own,
            settings=self.settings.digest,
            made_at=self.now().isoformat(),
        )
        return self.folder.personal.write(record, done.specs, done.vector)
