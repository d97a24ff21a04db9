"""`Device`: what an application embeds."""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from fieldfare.core.errors import ConfigError, ProtocolError, StateError
from fieldfare.core.sessions import (
    Assignment,
    DeviceIdentity,
    Ended,
    Participation,
    RetrySettings,
    participate,
)
from fieldfare.sdk.cache import DEFAULT_LIMIT_BYTES
from fieldfare.sdk.conditions import Conditions, Probe, SystemProbe, unmet, unmet_network
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.device._forever import AFTER_PROTOCOL_ERROR, Loop
from fieldfare.sdk.device._identity import capabilities, public_key
from fieldfare.sdk.device._personaliser import Personaliser
from fieldfare.sdk.device._predicting import Predicting
from fieldfare.sdk.device._shell import Postponed, Shell, Stopped
from fieldfare.sdk.enrollment import AuthorizedTransport
from fieldfare.sdk.ledger import Ledger
from fieldfare.sdk.pace import MachineClock, Pacer, RunningClock
from fieldfare.sdk.personal import Personal, PersonalRecord
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training import (
    NO_LIMITS,
    Interrupt,
    Limits,
    LiteRtTrainer,
    LocalTrainer,
    Release,
    Resting,
    clear_overdue,
)
from fieldfare.sdk.transport import GrpcTransport, LedgeredTransport, Transport

_LOG = logging.getLogger("fieldfare.sdk")
_LONGEST_NAME = 64
_SHORT = timedelta(seconds=2)
_RETRY = RetrySettings()


def _tell_nobody(_duration: timedelta, _reason: str) -> None:
    """What `on_wait` is without an app that asks."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Device(Predicting):
    """One device of a population.

    `run_once` and `run_forever` take a lock on the folder and keep it until `close`; one thread may run at a time.
    `predict` may be called from any thread, also while a round runs.

    Args:
        folder: where the device keeps its id, its ledger, its kept report and its cache; made where it is absent.
        aggregator: "host:port", or a transport, which the caller closes.
        population: the devices that share an app and a kind of example.
        store: the examples; the caller closes it.
        tls_ca: PEM file of the authorities to trust, where `aggregator` is an address.
        tls_cert: PEM file with the device's own certificate chain, where the aggregator asks for one.
        tls_key: PEM file with its private key.
        enrollment_key: one-time key with which the device enrols at its first call, where it is not enrolled yet.
        trusted_publishers: public keys, as PEM files or 32 bytes each. Where there are any, the device runs only plans
            that one of them has signed.
        conditions: what must hold for the device to work; default: nothing.
        trainer: default: LiteRT on one thread.
        min_separation: the least time from the end of one participation to the next, also over restarts and whatever
            becomes of the clock; default: none but the aggregator's.
        now: the present, timezone-aware.
        clock: a clock that nobody can set; time limits run on it.
        uniform: random numbers in [0, 1) for the jitter of waits.
        retry: how failing calls are met.
        seed: makes jitter and shuffling repeat; default: from the operating system.
        probe: what is known of the machine.
        cache_limit_bytes: how much of plans and checkpoints is kept; a task whose plan or checkpoint alone is larger is
            given up before a byte of it is fetched.
        on_wait: told before each wait within a participation: how long, and why (a call that failed, a receipt that is
            pending).
        limits: how much memory, time and examples a round's work may take.
        measure: evaluate the held-out examples before and after every training, and tell the app in
            `Participation.metrics`; sent only where the task asks for it.
        personal: adapt every new checkpoint to this device's examples, for its own predictions; default: not, unless
            `personalise` is called. The result never leaves the device.

    Raises:
        ConfigError: an address or a population that cannot be used.
        StorageError: the folder or its ledger cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        aggregator: str | Transport,
        population: str,
        store: ExampleSource,
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        enrollment_key: str = "",
        trusted_publishers: Iterable[Path | bytes] = (),
        conditions: Conditions | None = None,
        trainer: LocalTrainer | None = None,
        min_separation: timedelta = timedelta(0),
        now: Callable[[], datetime] = _utc_now,
        clock: RunningClock | None = None,
        uniform: Callable[[], float] | None = None,
        retry: RetrySettings = _RETRY,
        seed: int | None = None,
        probe: Probe | None = None,
        cache_limit_bytes: int = DEFAULT_LIMIT_BYTES,
        on_wait: Callable[[timedelta, str], None] = _tell_nobody,
        limits: Limits = NO_LIMITS,
        measure: bool = False,
        personal: Personal | None = None,
    ) -> None:
        if not 0 < len(population) <= _LONGEST_NAME:
            raise ConfigError(f"needs 1 to {_LONGEST_NAME} characters", field="population")
        # What the cache cannot hold is not begun with.
        retry = replace(retry, max_artifact_bytes=min(retry.max_artifact_bytes, cache_limit_bytes))
        self._population, self._store, self._now, self._retry = population, store, now, retry
        self._on_wait, self._limits, self._measure = on_wait, limits, measure
        self._conditions, self._probe = conditions or Conditions(), probe or SystemProbe()
        self._trainer: LocalTrainer = trainer or LiteRtTrainer()
        self._seed = seed
        # Safe: jitter is no secret.
        self._uniform = uniform or random.Random(seed).random  # noqa: S311
        self._clock, self._begun = clock or MachineClock(), now()
        self._started_s = self._clock.seconds()
        self._release = Release(self._trainer, self._clock.seconds)
        super().__init__(DeviceFolder(folder, create=True, cache_limit_bytes=cache_limit_bytes))
        self._pacer = Pacer(
            self._folder.pace, self._clock, now, min_separation=min_separation, retry=retry, uniform=self._uniform
        )
        self._personal = personal is not None
        self._personaliser = Personaliser(
            folder=self._folder,
            trainer=self._trainer,
            source=store,
            settings=personal or Personal(),
            now=now,
            rng=lambda: np.random.default_rng(seed),
            limits=limits,
            clock=self._clock.seconds,
        )
        self._running = threading.Lock()
        self._publishers = frozenset(map(public_key, trusted_publishers))
        inner = (
            GrpcTransport(aggregator, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
            if isinstance(aggregator, str)
            else aggregator
        )
        self._owns_transport = isinstance(aggregator, str)
        self._ledger = self._folder.open_ledger()
        self._transport = AuthorizedTransport(
            LedgeredTransport(inner, self._ledger, now),
            self._folder.membership,
            self._folder.device_id,
            now,
            enrollment_key,
        )

    @property
    def ledger(self) -> Ledger:
        """Every message that left this device."""
        return self._ledger

    def run_once(
        self, stop: threading.Event | None = None, *, wait: timedelta = timedelta(0), early: bool = False
    ) -> Participation:
        """Take part once: from a report that is still kept, or from a check-in, to a receipt.

        May be called as often as one likes, in this process or a later one: before it is time to come back, nothing is
        asked of the aggregator. What is left of such a time below two seconds is waited for.

        Args:
            stop: once set, waits and downloads end and training is given up between two steps.
            wait: how long the aggregator may hold the check-in open while it has no work yet.
            early: come before the time that the aggregator, or the back-off, has set; `min_separation` still holds.

        Returns:
            How it ended and when to come back. An aggregator that cannot be reached is such an end, no error.

        Raises:
            StateError: another process or thread runs this device.
            ProtocolError: the aggregator does not keep to the protocol, or speaks a newer one; the next hour is idle.
            StorageError: the folder or the store cannot be used.
        """
        stop = stop or threading.Event()
        if not self._running.acquire(blocking=False):
            raise StateError("this device is running in another thread already")
        try:
            self._folder.acquire()
            participation = self._take_part(stop, wait, early=early)
            if self._personal:
                self._personaliser.run_if_due(self._interrupted_by(stop))
            self._release.after(participation)
            return participation
        finally:
            self._running.release()

    def _take_part(self, stop: threading.Event, wait: timedelta, *, early: bool) -> Participation:
        if (held := self._held(stop, early=early)) is not None:
            return held
        try:
            participation = self._participate(stop, replace(self._retry, wait=wait))
            if participation.ended is Ended.STOPPED:
                return participation
            if participation.ended is Ended.IDLE:
                # Where training rested, its assignment is not the device's any more.
                self._folder.resting.forget()
            return self._pacer.settle(participation)
        except ProtocolError as error:
            # A later process knows, too, that it is of no use to ask again soon.
            self._pacer.settle(Participation(Ended.UNREACHABLE, AFTER_PROTOCOL_ERROR, str(error)))
            raise
        except Resting as rest:
            if stop.is_set():
                return Participation(Ended.STOPPED, timedelta(0), "stopped; the training is kept until the next run")
            return Participation(Ended.IDLE, self._conditions.check_again, f"training rests: {rest}")
        except Postponed as reason:
            return Participation(Ended.IDLE, self._conditions.check_again, f"waits for another network: {reason}")

    def run_forever(
        self,
        stop: threading.Event,
        on_participation: Callable[[Participation], None] | None = None,
        *,
        idle_after: timedelta | None = None,
    ) -> None:
        """Take part again and again, and wait in between for as long as the aggregator asks.

        Args:
            stop: ends it.
            on_participation: called after each participation, in this thread.
            idle_after: also ends it once there was nothing to do, or nobody to ask, for so long.

        Raises:
            StateError: another process or thread runs this device.
        """
        loop = Loop(
            once=lambda wait: self.run_once(stop, wait=wait),
            stop=stop,
            retry=self._retry,
            now=self._steady_now,
            is_settled=lambda: self._folder.outbox.is_empty,
        )
        loop.run(on_participation, idle_after)

    def personalise(self, stop: threading.Event | None = None) -> PersonalRecord:
        """Adapt the newest checkpoint to this device's examples now, without a network, whatever was adapted before.

        A device with `personal` settings does so by itself after the round that brought a new checkpoint.

        Args:
            stop: once set, it is given up between two steps.

        Returns:
            Whether the result is kept, and the figures by which that was judged.

        Raises:
            StateError: another process or thread runs this device; or a condition fails, or `stop` was set: what was
                kept before is still there.
            NotFoundError: no round has been taken part in yet.
            ConfigError: settings that do not go with the plan.
            DataError, PlanError, WeightsError, StorageError: the examples, the plan, the checkpoint or the folder
                cannot be used.
        """
        stop = stop or threading.Event()
        if not self._running.acquire(blocking=False):
            raise StateError("this device is running in another thread: it personalises by itself")
        try:
            self._folder.acquire()
            return self._personaliser.run(self._interrupted_by(stop))
        finally:
            self._running.release()

    def forget(self) -> None:
        """Remove what was made from the examples: a kept report, resting training, control variates, own weights.

        For an app whose user deletes the examples; the store's own `delete` is the other half. The ledger stays, since
        it is the record of what left; so do the shared checkpoints.

        Raises:
            StateError: another process or thread runs this device: stop it first.
            StorageError: a file cannot be removed.
        """
        if not self._running.acquire(blocking=False):
            raise StateError("this device is running in another thread: stop it, then forget")
        try:
            self._folder.acquire()
            self._folder.forget()
        finally:
            self._running.release()

    def close(self) -> None:
        """Close what this device opened, and unlock the folder. May be called twice."""
        if self._owns_transport:
            self._transport.close()
        self._ledger.close()
        self._folder.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _held(self, stop: threading.Event, *, early: bool) -> Participation | None:
        """Why there is nothing to do yet; None where there may be."""
        # A report that is kept is no new participation: only the aggregator, or its absence, may put it off.
        # Nor is training that rests, which goes on as soon as it can.
        clear_overdue(self._folder.resting, self._pacer.moment())
        resumes = not self._folder.resting.is_empty
        left, reason = self._pacer.wait(early=early, resting=self._folder.outbox.is_empty and not resumes)
        if left > _SHORT:
            return Participation(Ended.IDLE, left, reason)
        if stop.wait(left.total_seconds()):
            return Participation(Ended.STOPPED, timedelta(0), "stopped")
        reason = self._unmet()
        return Participation(Ended.IDLE, self._conditions.check_again, reason) if reason else None

    def _interrupted_by(self, stop: threading.Event) -> Interrupt:
        return lambda: "the app stopped the device" if stop.is_set() else self._unmet()

    def _steady_now(self) -> datetime:
        """The time for time limits: it goes on evenly though somebody sets the clock."""
        return self._begun + timedelta(seconds=self._clock.seconds() - self._started_s)

    def _unmet(self) -> str:
        return "" if self._conditions.always_hold else unmet(self._conditions, self._probe, self._now())

    def _participate(self, stop: threading.Event, settings: RetrySettings) -> Participation:
        identity = DeviceIdentity(
            self._population, self._folder.device_id(), capabilities(self._limits), self._publishers
        )
        kept = self._folder.outbox.read()
        if kept is not None:
            self._transport.remember(kept.header.ticket, kept.task_id, kept.round_number)
        shell = Shell(
            folder=self._folder,
            transport=self._transport,
            trainer=self._trainer,
            source=self._store,
            stop=stop,
            now=self._steady_now,
            unmet=self._unmet,
            offline=lambda: unmet_network(self._conditions, self._probe),
            rng_of=self._rng_of,
            on_wait=self._on_wait,
            on_work=self._pacer.working,
            moment=self._pacer.moment,
            limits=self._limits,
            measure=self._measure,
        )
        session = participate(
            identity, shell.weights_of, kept=kept, now=self._steady_now, uniform=self._uniform, settings=settings
        )
        try:
            participation = shell.drive(session)
        except Stopped:
            if self._folder.outbox.is_empty:
                return Participation(Ended.STOPPED, timedelta(0), "stopped")
            return Participation(Ended.STOPPED, timedelta(0), "stopped; the report is kept until the next run")
        if participation.ended is Ended.REFUSED:
            _LOG.warning("the report does not count: %s", participation.detail)
        return participation

    def _rng_of(self, assignment: Assignment) -> "np.random.Generator":
        """Shuffles the same way in the same round, whatever was tried before; differently without a seed."""
        if self._seed is None:
            return np.random.default_rng()
        return np.random.default_rng([self._seed, assignment.round_number])
