import math
from dataclasses import replace

import pytest

from fieldfare.core.errors import PlanError
from fieldfare.core.plans import FORMAT_VERSION, Manifest, PlanMetric, PlanTensor, WeightRole
from fieldfare.core.weights import TensorSpec
from fieldfare.protos.v1.plan_pb2 import PlanManifest


def tensor(name: str, key: str, shape=(2,), dtype="float32", role=None) -> PlanTensor:
    return PlanTensor(TensorSpec(name, dtype, shape), key, role)


def weight(name: str, key: str, shape, dtype="float32", role=WeightRole.TRAINED) -> PlanTensor:
    return tensor(name, key, shape, dtype, role)


MANIFEST = Manifest(
    name="m",
    batch_size=8,
    inputs=(tensor("x", "in_x", (28, 28, 1), "uint8"), tensor("z", "in_z")),
    targets=(tensor("y", "in_y", (), "int32"),),
    outputs=(tensor("p", "out", (10,)),),
    weights=(weight("w", "w0", (2, 3)), weight("b", "w1", (3,), role=WeightRole.STATISTIC)),
    loss="mean_squared_error",
    metrics=(PlanMetric("mae", "m0"), PlanMetric("precision", "m1", "m1_weight")),
    optimizer="sgd",
    learning_rate=0.5,
    has_gradients=True,
    tried_on=("r",),
    made_with=("a", "b"),
    notes=("n",),
    loss_weight_key="loss_weight",
    state=(tensor("iteration", "s0", (), "int64"),),
    trainable=("lora:8", "head"),
    frozen_sha256=bytes(range(32)),
    frozen_int8=True,
)


def test_round_trip_and_equal_bytes():
    assert Manifest.from_bytes(MANIFEST.to_bytes()) == MANIFEST
    assert Manifest.from_bytes(MANIFEST.to_bytes()).to_bytes() == MANIFEST.to_bytes()


def test_what_a_device_asks_of_a_manifest():
    assert [one.name for one in MANIFEST.example_specs] == ["x", "z", "y"]
    assert [one.name for one in MANIFEST.input_specs] == ["x", "z"]
    assert [one.shape for one in MANIFEST.weight_specs] == [(2, 3), (3,)]
    assert MANIFEST.metric_names == ("loss", "mae", "precision")
    assert MANIFEST.evaluated[0] == PlanMetric("loss", "loss_sum", "loss_weight")
    assert MANIFEST.evaluated[1:] == MANIFEST.metrics


def test_a_plan_may_have_no_targets_and_no_metrics():
    assert replace(MANIFEST, targets=(), metrics=()).metric_names == ("loss",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 0}, "batch size is 0; 1 to 65536"),
        ({"batch_size": 65_537}, "batch size is 65537"),
        ({"inputs": ()}, "no inputs, no outputs or no trainable weights"),
        ({"outputs": ()}, "no inputs, no outputs"),
        ({"weights": ()}, "no trainable weights"),
        ({"weights": (weight("w", "w0", (2,), dtype="float16"),)}, "weights must be float32"),
        ({"learning_rate": 0.0}, "learning rate is 0.0; it must be positive"),
        ({"learning_rate": math.nan}, "learning rate is nan"),
        ({"learning_rate": math.inf}, "learning rate is inf"),
        ({"targets": (tensor("x", "in_y"),)}, "names of their own"),
        ({"targets": (tensor("y", "in_x"),)}, "keys of their own"),
        ({"targets": (tensor("y", "example_weight"),)}, "keys of their own"),
        ({"targets": (tensor("y", "learning_rate"),)}, "keys of their own"),
        ({"weights": (weight("w", "w0", (2,)), weight("b", "w0", (2,)))}, "keys of their own"),
        ({"weights": (tensor("w", "w0"),)}, "does not say of each weight what moves it"),
        ({"frozen_sha256": b"short"}, "digest of its frozen weights is cut short"),
        ({"weights": (weight("w", "loss", (2,)),)}, "keys of their own"),
        ({"metrics": (PlanMetric("loss", "m0"),)}, "names of their own beside loss"),
        ({"metrics": (PlanMetric("a", "m0"), PlanMetric("a", "m1"))}, "names of their own"),
        ({"metrics": (PlanMetric("", "m0"),)}, "1 to 64 characters"),
        ({"metrics": (PlanMetric("a" * 65, "m0"),)}, "1 to 64 characters"),
        ({"metrics": tuple(PlanMetric(f"m{i}", f"m{i}") for i in range(64))}, "fewer than 64"),
    ],
)
def test_a_manifest_that_cannot_be(changes, words):
    with pytest.raises(PlanError, match=words):
        replace(MANIFEST, **changes)


def changed(**fields) -> bytes:
    proto = PlanManifest.FromString(MANIFEST.to_bytes())
    for name, value in fields.items():
        setattr(proto, name, value)
    return proto.SerializeToString()


def test_bytes_that_are_no_manifest():
    with pytest.raises(PlanError, match="damaged; export the plan again"):
        Manifest.from_bytes(b"\xff\xff")


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1])
def test_another_version_says_what_to_do(version):
    with pytest.raises(
        PlanError, match=f"format version {version}, this Fieldfare reads {FORMAT_VERSION}: upgrade Fieldfare"
    ):
        Manifest.from_bytes(changed(format_version=version))


def test_what_a_file_holds_is_checked_as_well():
    with pytest.raises(PlanError, match="batch size is 0"):
        Manifest.from_bytes(changed(batch_size=0))
    proto = PlanManifest.FromString(MANIFEST.to_bytes())
    proto.weights[0].spec.dtype = 77
    with pytest.raises(PlanError, match="cannot be used: tensor 'w': dtype code 77"):
        Manifest.from_bytes(proto.SerializeToString())
    proto = PlanManifest.FromString(MANIFEST.to_bytes())
    proto.weights[0].role = 77
    with pytest.raises(PlanError, match="what moves it"):
        Manifest.from_bytes(proto.SerializeToString())


def test_where_the_statistics_lie():
    def three(*roles: WeightRole) -> Manifest:
        shapes = [(2, 2), (3,), ()]
        weights = [
            weight(str(at), f"k{at}", *pair[:1], role=pair[1])
            for at, pair in enumerate(zip(shapes, roles, strict=True))
        ]
        return replace(MANIFEST, weights=tuple(weights))

    trained, moved = WeightRole.TRAINED, WeightRole.STATISTIC
    assert three(trained, trained, trained).statistics == ()
    assert three(trained, moved, moved).statistics == (slice(4, 7), slice(7, 8))
    assert three(moved, trained, trained).statistics == (slice(0, 4),)
