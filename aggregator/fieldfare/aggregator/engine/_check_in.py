"""Which work a device gets, if any."""

from datetime import datetime

from fieldfare.aggregator.engine._answers import Grant
from fieldfare.aggregator.engine._status import artifact_ref
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.engine._tasks import Tasks
from fieldfare.core.errors import ProtocolError
from fieldfare.core.rounds import Ticket, seal_ticket
from fieldfare.core.tasks import TaskState, is_name
from fieldfare.protos.v1 import aggregator_pb2

DEVICE_ID_BYTES = 16

Choice = tuple[TaskRun, Grant]


def check_request(request: aggregator_pb2.CheckInRequest) -> None:
    """Refuse what no device of ours sends.

    Raises:
        ProtocolError: a device id or population that cannot be.
    """
    if len(request.device_id) != DEVICE_ID_BYTES:
        raise ProtocolError(f"a device id has {DEVICE_ID_BYTES} bytes, not {len(request.device_id)}")
    if not is_name(request.population):
        raise ProtocolError("a population has 1 to 64 characters of letters, digits, '.', '_' and '-'")


def choose(tasks: Tasks, request: aggregator_pb2.CheckInRequest, now: datetime) -> Choice | str:
    """The work that the device holds already, or that the task whose turn it is has for it; else why there is none."""
    runs = tasks.in_turn(request.population)
    if not runs:
        return f"no task for population {request.population!r}"
    runs.sort(key=lambda run: not run.holds(request.device_id))
    reason = f"no task of population {request.population!r} needs this device now"
    for run in runs:
        if (why := run.unfit(request, now)) is not None:
            reason = f"task {run.spec.name!r} does not take this device: {why}"
        elif (grant := run.assign(request.device_id, now)) is not None:
            tasks.given(run)
            return run, grant
        elif run.state is TaskState.PAUSED:
            reason = f"task {run.spec.name!r} is paused"
    return reason


def make_assignment(key: bytes, choice: Choice, device: bytes, now: datetime) -> aggregator_pb2.Assignment:
    """The wire form, with a ticket that only this aggregator can have sealed."""
    run, grant = choice
    record = grant.round.record
    ticket = Ticket(bytes.fromhex(run.task_id), device, record.number, record.kind.value, grant.deadline)
    proto = aggregator_pb2.Assignment(
        ticket=seal_ticket(key, ticket),
        task_id=run.task_id,
        round_number=record.number,
        kind=record.kind.value,
        plan=artifact_ref(run.record.plan),
        checkpoint_version=record.checkpoint_version,
        checkpoint=artifact_ref(grant.round.checkpoint),
        local=run.spec.local.to_proto(),
        algorithm=run.spec.aggregation.algorithm.on_device.value,
        encoding=run.spec.encoding,
        max_abs_value=run.spec.aggregation.max_abs_value,
        max_norm=run.spec.aggregation.max_norm,
        plan_signatures=run.record.plan_signatures,
    )
    if grant.round.control is not None:
        proto.control.CopyFrom(artifact_ref(grant.round.control))
    proto.report_within.FromTimedelta(grant.deadline - now)
    return proto
