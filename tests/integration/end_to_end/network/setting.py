"""One aggregator, one device, and a bad line between them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import SecuritySettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.sessions import Participation, RetrySettings
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import pack_weights, total_size, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from tests.support.averaging_oracle import Oracle
from tests.support.certificates import Authority
from tests.support.faults import Fault
from tests.support.fleet_checks import make_members
from tests.support.fleet_threads import Member, wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.tiny_plan import tiny_manifest, tiny_plan

FEATURES = 300_000
"""An update and a checkpoint have 1.2 MB each, and so has the plan."""
PIECE = 2**18
"""What the aggregator sends at once; a cut loses one piece at most."""
PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)))
HASTY = RetrySettings(
    tries=8,
    first=timedelta(milliseconds=20),
    longest=timedelta(milliseconds=200),
    wait=timedelta(seconds=1),
    after_peer_error=timedelta(milliseconds=500),
)


@dataclass
class Line:
    """A device, the line, and the task of one training round at the other end."""

    member: Member
    proxy: RecordingProxy
    admin: AdminClient
    plan: Path
    spec: TaskSpec
    task: str

    def once(self) -> Participation:
        with ExitStack() as stack:
            return self.member.device(stack, self.spec.population).run_once()

    @property
    def checkpoint_bytes(self) -> int:
        return len(pack_weights(tiny_manifest(4, FEATURES).weight_specs, np.zeros(FEATURES + 1, np.float32)))

    def fetched(self) -> list[aggregator_pb2.FetchArtifactRequest]:
        """The requests for artifacts as they went over the line; known by their first field, a digest."""
        sent = self.proxy.sent_messages()
        return [aggregator_pb2.FetchArtifactRequest.FromString(one) for one in sent if one.startswith(b"\x0a\x20")]

    def check(self) -> None:
        """The round holds this device's update once, and nothing else."""
        wait_until(lambda: self._status().rounds_committed == 1, "the round's end")
        status = self._status()
        (one,) = status.rounds
        assert (one.reported, one.refused) == (1, 0)
        weights = unpack_weights(self.admin.fetch(status.checkpoint))[1]
        oracle = Oracle(self.plan, self.spec)
        zeros = np.zeros(total_size(tiny_manifest(4, FEATURES).weight_specs), np.float32)
        (trained,) = oracle.trained(zeros, [(self.member.store, self.member.seed)], 1)
        np.testing.assert_allclose(weights, trained.vector, rtol=1e-6, atol=1e-10)
        assert np.abs(weights).max() > 1e-5

    def _status(self) -> task_pb2.TaskStatus:
        return self.admin.show(self.task, 0)


@contextmanager
def line(
    folder: Path,
    faults: Iterable[Sequence[Fault]] = (),
    *,
    patience: timedelta | None = None,
    authority: Authority | None = None,
    settings: ServerSettings = PACE,
) -> Iterator[Line]:
    """A device whose connections suffer the faults, one after the other; over TLS where an authority is given."""
    if authority is not None:
        pair = authority.issue("server")
        security = SecuritySettings(enrollment="off", tls_cert=pair.cert, tls_key=pair.key)
        settings = replace(settings, security=security)
    limit = timedelta(seconds=120)
    spec = TaskSpec(
        "line",
        "p",
        rounds=1,
        training=CohortSpec(1, 1, 1.0, limit, limit),
        evaluate_every=0,
        local=LocalTrainingSpec(max_examples=16),
        aggregation=AggregationSpec(max_abs_value=16.0, min_snapshot_updates=1),
    )
    plan = folder / "plan.tflite"
    plan.write_bytes(tiny_plan(4, FEATURES))
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(folder / "state", settings=settings))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        proxy = stack.enter_context(RecordingProxy(aggregator.address, faults=faults))
        (member,) = make_members(folder, 1, proxy.address, stack, FEATURES)
        member.patience, member.retry = patience, HASTY
        member.tls_ca = None if authority is None else authority.ca
        yield Line(member, proxy, admin, plan, spec, admin.submit(plan, spec).task_id)
