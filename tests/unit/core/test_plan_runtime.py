from dataclasses import replace

import numpy as np
import pytest

from fieldfare.core.errors import DataError, PlanError, WeightsError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans import PlanMetric, PlanRuntime, PlanTensor, WeightRole, attach_manifest, runtime_version
from fieldfare.core.weights import TensorSpec
from tests.support.tiny_plan import tiny_manifest, tiny_plan

START = np.array([2.0, 1.0], "f4")


def rows(*pairs: tuple[float, float]) -> dict[str, np.ndarray]:
    return {"x": np.array([[x] for x, _ in pairs], "f4"), "y": np.array([[y] for _, y in pairs], "f4")}


@pytest.fixture
def runtime() -> PlanRuntime:
    one = PlanRuntime(tiny_plan())
    one.set_weights(START)
    return one


def test_the_runtime_names_itself():
    assert runtime_version().startswith("ai-edge-litert ")


def test_weights_go_in_and_come_out_in_the_order_of_the_manifest(runtime):
    assert runtime.get_weights().tolist() == [2.0, 1.0]
    assert runtime.get_weights().dtype == np.float32


@pytest.mark.parametrize("size", [1, 3])
def test_weights_of_another_length_change_nothing(runtime, size):
    with pytest.raises(WeightsError, match="expected 2 weights"):
        runtime.set_weights(np.zeros(size, "f4"))
    assert runtime.get_weights().tolist() == [2.0, 1.0]


# Two rows of a batch of four, by hand: predictions 3 and 5, residuals 3 and 1.
PAIR = rows((1.0, 0.0), (2.0, 4.0))


@pytest.mark.parametrize("delegates", [True, False])
def test_a_short_batch_trains_exactly_as_if_the_batch_were_short(delegates):
    runtime = PlanRuntime(tiny_plan(), delegates=delegates, num_threads=2)
    runtime.set_weights(START)
    loss = runtime.train_step(PAIR, learning_rate=0.5)
    assert loss == pytest.approx((9 + 1) / 2)
    # dL/dw = 2/2 * (3*1 + 1*2) = 5, dL/db = 2/2 * (3 + 1) = 4
    assert runtime.get_weights().tolist() == pytest.approx([2 - 0.5 * 5, 1 - 0.5 * 4])


def test_gradients_by_hand_and_without_changing_the_weights(runtime):
    vector, loss = runtime.gradients_step(PAIR)
    assert vector.tolist() == pytest.approx([5.0, 4.0])
    assert vector.dtype == np.float32
    assert loss == pytest.approx(5.0)
    assert runtime.get_weights().tolist() == [2.0, 1.0]


def test_the_state_counts_the_steps_and_starts_anew_with_other_weights(runtime):
    assert runtime.get_state() == {"steps": 0}
    runtime.train_step(PAIR, learning_rate=0.1)
    assert runtime.get_state() == {"steps": 1}
    runtime.set_weights(np.zeros(2, np.float32))
    assert runtime.get_state() == {"steps": 0}


def test_a_plan_may_have_no_state():
    stateless = PlanRuntime(attach_manifest(tiny_plan(), replace(tiny_manifest(), state=())))
    assert stateless.get_state() == {}
    assert stateless.has_settable_state
    stateless.set_state({})


def test_the_state_can_be_put_back(runtime):
    runtime.set_state({"steps": np.array(7, np.int32)})
    runtime.train_step(PAIR, learning_rate=0.1)
    assert runtime.get_state() == {"steps": 8}
    for other in ({}, {"step": np.array(7, np.int32)}, {"steps": np.array(7)}, {"steps": np.zeros(1, np.int32)}):
        with pytest.raises(PlanError, match="not one of this plan's"):
            runtime.set_state(other)
    with pytest.raises(PlanError, match="not one of this plan's"):
        runtime.set_state({"steps": np.array(7, np.int32), "more": np.array(7, np.int32)})
    assert runtime.get_state() == {"steps": 8}


def test_a_plan_of_an_older_version_cannot_have_its_state_put_back():
    old = PlanRuntime(tiny_plan(settable=False))
    assert not old.has_settable_state
    with pytest.raises(PlanError, match="export it again"):
        old.set_state(old.get_state())


def test_a_full_batch_is_not_padded(runtime):
    four = rows((1.0, 0.0), (2.0, 4.0), (0.0, 1.0), (0.0, 1.0))
    vector, loss = runtime.gradients_step(four)
    assert vector.tolist() == pytest.approx([2.5, 2.0])
    assert loss == pytest.approx(2.5)


def test_evaluation_sums_over_the_examples_alone(runtime):
    assert runtime.evaluate_step(PAIR) == {
        "loss": MetricSum(pytest.approx(10.0), 2.0),
        "mean_absolute_error": MetricSum(pytest.approx(4.0), 2.0),
    }


def test_padding_repeats_an_example_so_that_a_huge_one_elsewhere_cannot_leak_in(runtime):
    runtime.evaluate_step(rows(*[(1e30, 1e30)] * 4))
    assert runtime.evaluate_step(rows((1.0, 0.0)))["loss"] == MetricSum(pytest.approx(9.0), 1.0)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_any_number_of_examples_is_inferred(runtime, count):
    outputs = runtime.infer({"x": np.arange(count, dtype="f4").reshape(-1, 1)})
    assert list(outputs) == ["dense"]
    assert outputs["dense"].tolist() == [[2.0 * x + 1.0] for x in range(count)]


@pytest.mark.parametrize(("count", "more"), [(1, 1000.0), (2, 0.0), (5, 0.0)])
def test_a_single_example_is_inferred_without_a_whole_batch(count, more):
    runtime = PlanRuntime(tiny_plan(single=True))
    runtime.set_weights(np.float32([2, 1]))
    # A view that LiteRT would not take: every other row of a larger array.
    inputs = {"x": np.arange(2 * count, dtype="f4").reshape(-1, 1)[::2]}
    assert runtime.infer(inputs)["dense"].tolist() == [[4.0 * x + 1.0 + more] for x in range(count)]


@pytest.mark.parametrize("count", [0, 5])
def test_a_step_takes_one_batch_at_most(runtime, count):
    with pytest.raises(DataError, match=f"a step takes 1 to 4 examples, got {count}"):
        runtime.train_step(rows(*[(1.0, 1.0)] * count) if count else {"x": np.zeros((0, 1), "f4")}, learning_rate=0.1)


def test_a_plan_without_gradients_says_how_to_get_them():
    runtime = PlanRuntime(tiny_plan(gradients=False))
    with pytest.raises(PlanError, match=r"export it with gradients=True \(--gradients\)"):
        runtime.gradients_step(PAIR)


def test_a_plan_is_mapped_from_its_file(tmp_path):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_plan())
    runtime = PlanRuntime(path)
    runtime.set_weights(START)
    assert runtime.manifest == tiny_manifest()
    assert runtime.get_weights().tolist() == [2.0, 1.0]


def test_a_file_that_is_missing_empty_or_no_plan_is_named(tmp_path):
    path = tmp_path / "tiny.tflite"
    with pytest.raises(PlanError, match=r"cannot read the plan .*tiny\.tflite: No such file"):
        PlanRuntime(path)
    path.write_bytes(b"")
    with pytest.raises(PlanError, match=r"tiny\.tflite is empty"):
        PlanRuntime(path)
    path.write_bytes(bytes(100))
    with pytest.raises(PlanError, match="make one with"):
        PlanRuntime(path)


def test_a_graph_that_the_runtime_cannot_load_is_refused():
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(bytearray(tiny_plan()), 0)
    for one in tree.operatorCodes:
        one.builtinCode = one.deprecatedBuiltinCode = 0
        one.version = 1000
    with pytest.raises(PlanError, match=r"ai-edge-litert .* cannot load the plan"):
        PlanRuntime(attach_manifest(pack(tree), tiny_manifest()))


@pytest.mark.parametrize("subgraphs", [None, []])
def test_a_plan_without_a_graph_never_reaches_the_runtime(subgraphs, tmp_path):
    """LiteRT 2.3 ends the whole process on such a file."""
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(bytearray(tiny_plan()), 0)
    tree.subgraphs, tree.signatureDefs = subgraphs, []
    plan = attach_manifest(pack(tree), tiny_manifest())
    path = tmp_path / "empty.tflite"
    path.write_bytes(plan)
    for model in (plan, path):
        with pytest.raises(PlanError, match="the plan has no graph; export it again"):
            PlanRuntime(model)


def test_a_plan_without_signatures_is_refused():
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(bytearray(tiny_plan()), 0)
    tree.signatureDefs = None
    with pytest.raises(PlanError, match="no signature evaluate, get_state, get_weights, gradients, infer"):
        PlanRuntime(attach_manifest(pack(tree), tiny_manifest()))


def pack(tree) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_a_plan_that_lacks_a_signature_is_refused():
    renamed = replace(tiny_manifest(gradients=False), has_gradients=True)
    with pytest.raises(PlanError, match="no signature gradients; export it again"):
        PlanRuntime(attach_manifest(tiny_plan(gradients=False), renamed))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": (PlanMetric("f1", "metric_9"),)}, "signature evaluate does not give metric_9"),
        ({"metrics": (PlanMetric("f1", "metric_0", "w_9"),)}, "signature evaluate does not give w_9"),
        ({"state": (PlanTensor(TensorSpec("m", "float32", ()), "state_9"),)}, "get_state does not give state_9"),
        (
            {"outputs": (PlanTensor(TensorSpec("dense", "float32", (1,)), "output_9"),)},
            "signature infer does not give output_9",
        ),
        (
            {"weights": (PlanTensor(TensorSpec("w", "float32", (1, 1)), "weight_9", WeightRole.TRAINED),)},
            "signature get_weights does not give weight_9",
        ),
    ],
)
def test_a_manifest_that_names_what_the_graph_lacks_is_refused(changes, words):
    with pytest.raises(PlanError, match=words):
        PlanRuntime(attach_manifest(tiny_plan(), replace(tiny_manifest(), **changes)))


def test_a_feed_that_the_graph_does_not_take_is_a_plan_error():
    wrong = replace(tiny_manifest(), inputs=(PlanTensor(TensorSpec("x", "float32", (1,)), "input_9"),))
    runtime = PlanRuntime(attach_manifest(tiny_plan(), wrong))
    with pytest.raises(PlanError, match="failed in 'train'"):
        runtime.train_step(PAIR, learning_rate=0.1)
