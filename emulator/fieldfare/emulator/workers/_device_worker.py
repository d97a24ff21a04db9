"""What a worker does for one device: the session, the trainer and the codec that ship, without sockets and waits."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, ProtocolError
from fieldfare.core.plans import read_manifest
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
from fieldfare.emulator.workers._examples import FleetExamples
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.controls import ControlStore
from fieldfare.sdk.training import Job, LocalTrainer, do_work

LITERT = "fieldfare.sdk.training:LiteRtTrainer"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process is told once.

    Attributes:
        plan: the task's plan.
        examples: folder of `write_examples`.
        artifacts: folder in which plans and checkpoints lie under the hexadecimal digest of their content.
        controls: SCAFFOLD: where the devices' control variates are kept.
        population: what the devices check in for.
        seed: of shuffling.
        trainer: "module:name" of a callable without arguments that makes a `LocalTrainer`.
    """

    plan: Path
    examples: Path
    artifacts: Path
    controls: Path
    population: str
    seed: int
    trainer: str = LITERT


@dataclass(frozen=True, slots=True)
class Order:
    """One device's part in one round.

    Attributes:
        number: of the order; each one only once.
        device: from 0.
        device_id: 16 bytes.
        now: the emulated present.
        answer: serialised `CheckInResponse` with an assignment.
    """

    number: int
    device: int
    device_id: bytes
    now: datetime
    answer: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """A device's report, as it would go out.

    Attributes:
        number: of the order.
        header: serialised `ReportHeader`; says how the work ended.
        payload: the encoded update; empty where there is none.
        digest: SHA-256 of the payload.
        detail: why the device gave up, in words.
    """

    number: int
    header: bytes
    payload: bytes
    digest: bytes
    detail: str


class DeviceWorker:
    """Works for one device after the other.

    Args:
        settings: what is the same for all of them.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        manifest = read_manifest(settings.plan)
        self._examples = FleetExamples(settings.examples, manifest.example_specs)
        self._trainer = _make_trainer(settings.trainer)
        self._weights = manifest.weight_specs
        self._unsettled: dict[int, tuple[int, KeepControl]] = {}

    def carry_out(self, order: Order) -> Done:
        """The device's session up to its report, which it is told is counted: what it keeps then, `settle` decides."""
        identity = DeviceIdentity(
            self._settings.population, order.device_id, aggregator_pb2.Capabilities(), frozenset()
        )
        session = participate(identity, lambda _: self._weights, kept=None, now=lambda: order.now, uniform=_no_jitter)
        details: list[str] = []
        action: Any = next(session)
        while not isinstance(action, Send):
            match action:
                case CheckIn():
                    answer: Any = aggregator_pb2.CheckInResponse.FromString(order.answer)
                case Work(assignment):
                    answer = self._work(order.device, assignment)
                    details.append(answer.detail)
                case FetchArtifact() | Keep():
                    answer = None
                case _:
                    raise ProtocolError(f"a session asks for {type(action).__name__} before it has reported")
            action = session.send(answer)
        self._end(session, order)
        report: KeptReport = action.report
        header = report.header.SerializeToString()
        return Done(order.number, header, report.payload, report.digest, details[-1] if details else "")

    def settle(self, counted: dict[int, bool]) -> None:
        """What became of reports: SCAFFOLD's devices keep the control variates of those that were counted.

        Args:
            counted: by the order's number; those of other workers are passed over.
        """
        for number, is_counted in counted.items():
            device, keep = self._unsettled.pop(number, (0, None))
            if keep is not None and is_counted:
                self._controls(device).advance(keep.task_id, keep.round_number, keep.delta)

    def _end(self, session: Session, order: Order) -> None:
        """Safe: the receipt is given before the report is sent, so that no report is held until its round ends."""
        receipt: Any = aggregator_pb2.Receipt(status=aggregator_pb2.RECEIPT_STATUS_ACCEPTED)
        try:
            while True:
                action = session.send(receipt)
                receipt = None
                if isinstance(action, KeepControl):
                    self._unsettled[order.number] = (order.device, action)
        except StopIteration:
            return

    def _work(self, device: int, assignment: Assignment) -> WorkResult:
        def own_control(size: int) -> NDArray[np.float32]:
            return self._controls(device).begin(assignment.task_id, assignment.plan.sha256, size)

        control = assignment.control
        return do_work(
            Job(
                assignment,
                self._settings.plan,
                self._settings.artifacts / assignment.checkpoint.hex,
                None if control is None else self._settings.artifacts / control.hex,
            ),
            self._trainer,
            self._examples.of(device),
            rng=np.random.default_rng([self._settings.seed, 1, assignment.round_number, device]),
            interrupt=_never,
            own_control=own_control,
        )

    def _controls(self, device: int) -> ControlStore:
        return ControlStore(self._settings.controls / str(device))


def _no_jitter() -> float:
    return 0.5


def _never() -> str:
    return ""


def _make_trainer(name: str) -> LocalTrainer:
    module, _, attribute = name.partition(":")
    try:
        make: Callable[[], LocalTrainer] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"there is no {name!r}: {error}", field="engine.trainer") from error
    return make()
