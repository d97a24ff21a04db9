"""Every reason for which an update is refused, over real gRPC: told, counted, and without effect on the sum."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import TensorSpec, specs_to_proto, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2
from tests.integration.aggregator.fleet import INVALID, Device, connect, send_damaged, update_of
from tests.integration.security.callers import serving, with_security
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import PLAN, SPECS

COHORT = CohortSpec(2, 2, 2.0)
SPEC = TaskSpec(
    "t",
    "p",
    rounds=2,
    training=COHORT,
    evaluation=COHORT,
    evaluate_every=0,
    aggregation=AggregationSpec(max_norm=100.0),
)
START = np.array([1, 2, 3], np.float32)
Send = Callable[[Device], aggregator_pb2.Receipt]


def values(*numbers: float) -> Send:
    payload = np.array(numbers, "<f4").tobytes()
    return lambda one: one.send(one.header(), payload)


def header(**changes: Any) -> Send:
    return lambda one: one.send(one.header(**changes), one.payload())


def tensors(*specs: TensorSpec) -> Send:
    def send(one: Device) -> aggregator_pb2.Receipt:
        changed = one.header()
        del changed.tensors[:]
        changed.tensors.extend(specs_to_proto(specs))
        return one.send(changed, one.payload())

    return send


def encoding(stage: str) -> Send:
    def send(one: Device) -> aggregator_pb2.Receipt:
        changed = one.header()
        del changed.encoding.stages[:]
        added = changed.encoding.stages.add()
        if stage:
            getattr(added, stage).SetInParent()
        return one.send(changed, one.payload())

    return send


def metric(name: str, total: float, weight: float) -> Send:
    def send(one: Device) -> aggregator_pb2.Receipt:
        changed = one.header()
        del changed.metrics[:]
        changed.metrics.add(name=name, sum=total, weight=weight)
        return one.send(changed, one.payload())

    return send


KERNEL, BIAS = SPECS
BAD: dict[str, tuple[str, Send]] = {
    "wrong names": ("tensors", tensors(replace(KERNEL, name="other"), BIAS)),
    "wrong order": ("tensors", tensors(BIAS, KERNEL)),
    "wrong shapes": ("tensors", tensors(replace(KERNEL, shape=(1, 2)), BIAS)),
    "wrong dtypes": ("tensors", tensors(replace(KERNEL, dtype="float16"), BIAS)),
    "a tensor twice": ("tensors", tensors(KERNEL, KERNEL)),
    "a shape of 2^64 values": ("tensors", tensors(replace(KERNEL, shape=(2**32 - 1, 2**32 - 1)), BIAS)),
    "NaN": ("non_finite", values(1, np.nan, 0)),
    "Inf": ("non_finite", values(1, np.inf, 0)),
    "minus Inf": ("non_finite", values(-np.inf, 1, 0)),
    "a value beyond the bound": ("too_large", values(1, 257, 0)),
    "a norm beyond the bound": ("norm", values(90, 90, 90)),
    "a false announced length": ("length", header(payload_bytes=8)),
    "an announced terabyte": ("length", header(payload_bytes=2**40)),
    "too few bytes": ("length", lambda one: one.send(one.header(), one.payload()[:8])),
    "too many bytes": ("length", lambda one: one.send(one.header(), one.payload() * 1000)),
    "a false digest": ("digest", send_damaged),
    "a digest of a wrong length": ("digest", lambda one: one.send(one.header(), one.payload(), digest=b"x")),
    "an unknown encoding": ("encoding", encoding("")),
    "an encoding that was not asked for": ("encoding", encoding("float16")),
    "no examples": ("example_count", header(example_count=0)),
    "minus one example": ("example_count", header(example_count=2**64 - 1)),
    "an unknown metric": ("metrics", metric("other", 1.0, 1.0)),
    "a metric of NaN": ("metrics", metric("loss", np.nan, 1.0)),
    "a metric that outweighs its examples": ("metrics", metric("loss", 1.0, 1e9)),
    "an unknown outcome": ("outcome", header(outcome=0)),
}


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aggregator]:
    with serving(tmp_path_factory.mktemp("bad"), with_security(enrollment="off")) as running:
        yield running


@pytest.mark.parametrize("kind", BAD)
def test_it_is_refused_counted_and_changes_nothing(aggregator: Aggregator, kind: str) -> None:
    reason, send = BAD[kind]
    name = hashlib.sha256(kind.encode()).hexdigest()[:8]
    with AdminClient(aggregator.admin_address) as admin:
        admin.submit(PLAN, replace(SPEC, name=name, population=name), weights=START)
        bad, *good = (Device(index, connect(aggregator.address), name) for index in range(3))
        for device in (bad, *good):
            assert device.check_in() is not None
        receipt = send(bad)
        assert (receipt.status, receipt.reason) == (INVALID, reason), receipt.detail
        assert receipt.detail
        # Nothing that it sends in this round counts any more.
        assert bad.send(bad.header(), bad.payload()).status == INVALID
        for device in good:
            device.report()
        wait_until(lambda: admin.show(name).rounds_committed == 1, "the round")
        (first,) = (one for one in admin.show(name, 0).rounds if one.number == 1)
        assert (first.reported, first.refused) == (2, 1)
        assert Counter({one.reason: one.count for one in first.refusals}) == Counter({reason: 1})
        _, weights = unpack_weights(admin.fetch(admin.show(name).checkpoint))
    updates = [update_of(one.id, 1) for one in good]
    mean = sum(vector.astype(np.float64) * count for vector, count in updates) / sum(count for _, count in updates)
    np.testing.assert_allclose(weights, START + mean, atol=1e-6)


def test_a_message_beyond_the_bound_is_not_read(aggregator: Aggregator) -> None:
    device = Device(0, connect(aggregator.address), "huge")
    with AdminClient(aggregator.admin_address) as admin:
        admin.submit(PLAN, replace(SPEC, name="huge", population="huge"), weights=START)
    assert device.check_in() is not None
    parts = [
        aggregator_pb2.ReportRequest(header=device.header()),
        aggregator_pb2.ReportRequest(data=bytes(3 * 2**20)),
    ]
    with pytest.raises(grpc.RpcError) as error:
        device.stub.Report(iter(parts), timeout=20)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # That was no report, so the device may still send its own.
    assert device.report().status == aggregator_pb2.RECEIPT_STATUS_PENDING


def test_the_helpers_send_what_is_good_too(aggregator: Aggregator) -> None:
    """So a refusal above is due to what they changed."""
    pending = aggregator_pb2.RECEIPT_STATUS_PENDING
    for index, send in enumerate((metric("loss", 1.0, 1.0), tensors(*SPECS), values(1, 2, 3), encoding("float32"))):
        name = f"good-{index}"
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(PLAN, replace(SPEC, name=name, population=name), weights=START)
        device = Device(0, connect(aggregator.address), name)
        assert device.check_in() is not None
        assert send(device).status == pending
