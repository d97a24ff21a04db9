"""What a worker does for one device: the session, the trainer and the codec that ship, without sockets and waits."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, ProtocolError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.sessions import (
    Assignment,
    CheckIn,
    DeviceIdentity,
    FetchArtifact,
    Keep,
    KeepControl,
    KeptReport,
    Send,
    Session,
    Work,
    WorkResult,
    participate,
)
from fieldfare.emulator.workers._examples import FleetArrays, FleetExamples
from fieldfare.emulator.workers._orders import Done, Order
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.training import Job, LocalTrainer, do_work, read_weights


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process is told once.

    Attributes:
        examples: folder of `write_examples`.
        artifacts: folder in which plans and checkpoints lie under the hexadecimal digest of their content.
        population: what the devices check in for.
        seed: of shuffling.
        trainer: "module:name" of a callable without arguments that makes a `LocalTrainer`.
    """

    examples: Path
    artifacts: Path
    population: str
    seed: int
    trainer: str


class DeviceWorker:
    """Works for one device after the other.

    Args:
        settings: what is the same for all of them.
        arrays: the fleet's examples.
    """

    def __init__(self, settings: WorkerSettings, arrays: FleetArrays) -> None:
        self._settings, self._arrays = settings, arrays
        self._trainer = find_trainer(settings.trainer)()
        self._read: tuple[str, Manifest, FleetExamples] | None = None
        # The next device mostly begins where this one did. What is named by its digest never changes.
        self._read_weights = lru_cache(maxsize=2)(read_weights)

    def carry_out(self, order: Order) -> Done:
        """The device's session up to its report, and what it would keep if it were told that this is counted."""
        identity = DeviceIdentity(
            self._settings.population, order.device_id, aggregator_pb2.Capabilities(), frozenset()
        )
        session = participate(
            identity,
            lambda assignment: self._plan_of(assignment)[0].weight_specs,
            kept=None,
            now=lambda: order.now,
            uniform=_no_jitter,
        )
        details: list[str] = []
        action: Any = next(session)
        while not isinstance(action, Send):
            match action:
                case CheckIn():
                    answer: Any = aggregator_pb2.CheckInResponse.FromString(order.answer)
                case Work(assignment):
                    answer = self._work(order, assignment)
                    details.append(answer.detail)
                case FetchArtifact() | Keep():
                    answer = None
                case _:
                    raise ProtocolError(f"a session asks for {type(action).__name__} before it has reported")
            action = session.send(answer)
        report: KeptReport = action.report
        header = report.header.SerializeToString()
        delta = _control_delta(session) if order.control is not None else None
        return Done(order.number, header, report.payload, delta, details[-1] if details else "")

    def _work(self, order: Order, assignment: Assignment) -> WorkResult:
        def own_control(size: int) -> NDArray[np.float32]:
            if order.control is None or order.control.size != size:
                raise ProtocolError("the order comes without the device's control variate")
            return order.control

        control = assignment.control
        return do_work(
            Job(
                assignment,
                self._settings.artifacts / assignment.plan.hex,
                self._settings.artifacts / assignment.checkpoint.hex,
                None if control is None else self._settings.artifacts / control.hex,
            ),
            self._trainer,
            self._plan_of(assignment)[1].of(order.device),
            rng=np.random.default_rng([self._settings.seed, 1, assignment.round_number, order.device]),
            interrupt=_never,
            own_control=own_control,
            read=self._read_weights,
        )

    def _plan_of(self, assignment: Assignment) -> tuple[Manifest, FleetExamples]:
        """The plan is there once the first device has fetched it: later than this worker."""
        plan = assignment.plan.hex
        if self._read is None or self._read[0] != plan:
            manifest = read_manifest(self._settings.artifacts / plan)
            self._read = plan, manifest, FleetExamples(self._arrays, manifest.example_specs)
        return self._read[1:]


def _control_delta(session: Session) -> NDArray[np.float32] | None:
    """SCAFFOLD: what the device keeps once its report is counted.

    Safe: it is told so before the report is sent, so that none is held until its round ends; whether it is counted is
    decided later, by whoever has this.
    """
    receipt: Any = aggregator_pb2.Receipt(status=aggregator_pb2.RECEIPT_STATUS_ACCEPTED)
    delta = None
    try:
        while True:
            action = session.send(receipt)
            receipt = None
            if isinstance(action, KeepControl):
                delta = action.delta
    except StopIteration:
        return delta


def _no_jitter() -> float:
    return 0.5


def _never() -> str:
    return ""


def find_trainer(name: str) -> Callable[[], LocalTrainer]:
    """What makes trainers, by its name in the scenario: "module:name".

    Raises:
        ConfigError: there is no such module, or nothing of that name in it that can be called.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"there is no {name!r}: {error}", field="engine.trainer") from error
    if not callable(found):
        raise ConfigError(f"{name!r} is {type(found).__name__}, not a callable", field="engine.trainer")
    make: Callable[[], LocalTrainer] = found
    return make
