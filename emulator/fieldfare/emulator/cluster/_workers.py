"""Workers on the nodes of a Ray cluster."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from fieldfare.core.errors import FieldfareError
from fieldfare.emulator.cluster._actor import ArraysElsewhere, DeviceActor, versions
from fieldfare.emulator.cluster._artifacts import ObjectStore, Sent
from fieldfare.emulator.workers import (
    TRIES,
    Done,
    Order,
    OrderQueue,
    WorkersError,
    WorkerSettings,
    read_examples,
)

# One order under work, and one that is there when it is done.
_AHEAD = 2
_LOST = (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)
_CLOSE_S = 5.0


@dataclass(slots=True, eq=False)
class _Actor:
    """One actor: `opening` is what it answers once it is ready, None from then on."""

    handle: Any
    opening: Any
    sent: Sent = field(default_factory=Sent)
    under_way: dict[Any, Order] = field(default_factory=dict)

    @property
    def awaited(self) -> list[Any]:
        """What it is to answer."""
        return list(self.under_way) if self.opening is None else [self.opening]


class RayWorkers:
    """Deals orders out to actors, each of which has a CPU of the cluster; see `Workers`. A context manager.

    An actor that is lost, with its node or alone, is replaced as soon as the cluster has a CPU free, and its orders are
    carried out again by the others.

    Args:
        settings: what every worker is told. Its folders are read here; nothing on the nodes lies in them.
        workers: how many actors. Those for which there is no CPU yet join when there is.
        patience: how long to go on without a single actor.

    Raises:
        WorkersError: the cluster cannot hold the examples.
    """

    def __init__(self, settings: WorkerSettings, workers: int, *, patience: timedelta = timedelta(minutes=5)) -> None:
        self._settings, self._patience_s = settings, patience.total_seconds()
        self._arrays = ArraysElsewhere.put(read_examples(settings.examples))
        self._store = ObjectStore(settings.artifacts)
        self._make = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD")(
            DeviceActor
        )
        self._queue = OrderQueue()
        self._done: dict[int, Done] = {}
        self._versions = versions()
        self._actors = [self._start() for _ in range(workers)]

    def put(self, order: Order, priority: float) -> None:
        """See `Workers.put`."""
        self._queue.put(order, priority)
        self._deal()

    @contextlib.contextmanager
    def take(self, number: int) -> Iterator[Done]:
        """See `Workers.take`."""
        while number not in self._done:
            self._hear()
        yield self._done.pop(number)

    def drop(self, number: int) -> None:
        """See `Workers.drop`."""
        if self._done.pop(number, None) is None:
            self._queue.drop(number)

    def close(self) -> None:
        """End the actors. May be called twice."""
        actors, self._actors = self._actors, []
        closing = [actor.handle.close.remote() for actor in actors if actor.opening is None]
        # Safe: what they were sent lies in a temporary folder.
        with contextlib.suppress(RayError):
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S) if closing else None
        for actor in actors:
            ray.kill(actor.handle)

    def __enter__(self) -> "RayWorkers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> _Actor:
        handle = self._make.remote(self._settings, self._arrays)
        return _Actor(handle, handle.open.remote())

    def _deal(self) -> None:
        ready = [actor for actor in self._actors if actor.opening is None]
        for actor in sorted(ready, key=lambda one: len(one.under_way)):
            while len(actor.under_way) < _AHEAD and (order := self._queue.next()) is not None:
                result = actor.handle.carry_out.remote(order, actor.sent.parcel(order, self._store))
                actor.under_way[result] = order

    def _hear(self) -> None:
        """Wait until an actor is ready, has a result, or is lost."""
        self._deal()
        by_result = {result: actor for actor in self._actors for result in actor.awaited}
        alone = not any(actor.under_way for actor in self._actors)
        found, _ = ray.wait(list(by_result), timeout=self._patience_s if alone else None)
        if not found:
            cpus = int(ray.cluster_resources().get("CPU", 0))
            raise WorkersError(f"for {self._patience_s:g} s the Ray cluster had no worker ready; it has {cpus} CPUs")
        for result in found:
            self._answered(by_result[result], result)
        self._deal()

    def _answered(self, actor: _Actor, result: Any) -> None:
        try:
            answer = ray.get(result)
        except RayTaskError as error:
            raise _raised(error) from error
        except _LOST as error:
            self._replace(actor, error)
        except RayError as error:
            raise WorkersError(f"the Ray cluster cannot go on: {error}") from error
        else:
            self._keep(actor, result, answer)

    def _keep(self, actor: _Actor, result: Any, answer: Any) -> None:
        if result == actor.opening:
            actor.opening = None
            if answer != self._versions:
                raise WorkersError(
                    f"a node of the Ray cluster runs {_told(answer)}, this machine {_told(self._versions)}: "
                    "results would depend on which of them does the work; install the same on all"
                )
            return
        order = actor.under_way.pop(result)
        if self._queue.is_wanted(order.number):
            self._done[order.number] = answer

    def _replace(self, actor: _Actor, error: RayError) -> None:
        """The actor is gone, or out of reach: another one takes its place, others its orders."""
        ray.kill(actor.handle)
        for order in actor.under_way.values():
            if not self._queue.again(order):
                raise WorkersError(f"{TRIES} workers on the Ray cluster have ended over the same device: {error}")
        self._actors[self._actors.index(actor)] = self._start()


def _raised(error: RayTaskError) -> FieldfareError:
    """What the work raised there, as it would have been raised here."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, FieldfareError) else WorkersError(f"a worker on the Ray cluster failed: {error}")


def _told(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())
