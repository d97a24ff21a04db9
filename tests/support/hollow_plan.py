"""A plan with a whole manifest and an empty graph: all that an aggregator looks at."""

from fieldfare.core.plans import Manifest, PlanMetric, PlanTensor, WeightRole, attach_manifest
from fieldfare.core.weights import TensorSpec


def hollow_plan(weights: tuple[TensorSpec, ...], roles: tuple[WeightRole, ...] = ()) -> bytes:
    """The plan's file; its examples are pairs of `x`, `(2,)` float32, and `y`, `(1,)` float32."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [schema.SubGraphT()]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    manifest = Manifest(
        name="hollow",
        batch_size=4,
        inputs=(PlanTensor(TensorSpec("x", "float32", (2,)), "input_0"),),
        targets=(PlanTensor(TensorSpec("y", "float32", (1,)), "target_0"),),
        outputs=(PlanTensor(TensorSpec("dense", "float32", (1,)), "output_0"),),
        weights=tuple(
            PlanTensor(spec, f"weight_{index}", role)
            for index, (spec, role) in enumerate(
                zip(weights, roles or [WeightRole.TRAINED] * len(weights), strict=True)
            )
        ),
        loss="mean_squared_error",
        metrics=(PlanMetric("accuracy", "metric_0"),),
        optimizer="sgd",
        learning_rate=0.1,
        has_gradients=True,
    )
    return attach_manifest(bytes(builder.Output()), manifest)
