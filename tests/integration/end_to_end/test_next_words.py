"""A keyboard's model over real gRPC and LiteRT: masked words, a loop, and statistics that travel."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.plans import PlanRuntime
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import split_vector, unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore
from tests.support.fleet_threads import Member, running, wait_until

keras = pytest.importorskip("keras")

WORDS, LENGTH, DEVICES = 12, 6, 3
PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)))
COHORT = CohortSpec(DEVICES, DEVICES, 1.0, timedelta(seconds=60), timedelta(seconds=60))


def export(path: Path):
    from fieldfare.converters import export_keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    hidden = layers.Embedding(WORDS, 8, mask_zero=True)(ids)
    hidden = layers.BatchNormalization(name="normal")(layers.GRU(12, return_sequences=True)(hidden))
    model = keras.Model(ids, layers.Dense(WORDS)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return export_keras(
        model, path, loss=loss, optimizer="adam", metrics=["accuracy"], learning_rate=0.01, batch_size=8
    )


def sentences(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Each word is followed by the next one of the vocabulary; sentences of 1 to 6 words, filled up with zeros."""
    starts, lengths = rng.integers(1, WORDS, count), rng.integers(1, LENGTH + 1, count)
    places = np.arange(LENGTH)
    ids = (starts[:, None] - 1 + places) % (WORDS - 1) + 1
    ids = np.where(places < lengths[:, None], ids, 0)
    return {"ids": ids.astype(np.int32), "label": np.where(ids > 0, ids % (WORDS - 1) + 1, 0).astype(np.int32)}


def test_words_are_learned_and_only_words_count(tmp_path):
    path = tmp_path / "plan.tflite"
    manifest = export(path)
    spec = TaskSpec(
        "next-words",
        "keyboards",
        rounds=6,
        training=COHORT,
        evaluation=COHORT,
        evaluate_every=3,
        local=LocalTrainingSpec(epochs=4, max_examples=64),
    )
    rng = np.random.default_rng(2)
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(tmp_path / "state", settings=PACE))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        members, held_out = [], []
        for index in range(DEVICES):
            store = ExampleStore.create(tmp_path / f"{index}.db", manifest.example_specs, held_out_share=0.25)
            stack.enter_context(store).add_many(sentences(rng, 24 + 8 * index))
            held_out.append(store.held_out())
            members.append(Member(tmp_path / f"device-{index}", store, aggregator.address, index))
        task = admin.submit(path, spec).task_id
        with running(members, spec.population):
            wait_until(lambda: admin.show(task).state == task_pb2.TASK_STATE_COMPLETED, "the task's end")
        status = admin.show(task, 0)
        committed = unpack_weights(admin.fetch(status.checkpoint))[1]

    evaluations = [one for one in status.rounds if one.kind == task_pb2.ROUND_KIND_EVALUATION]
    first, last = ({one.name: one for one in found.metrics} for found in (evaluations[0], evaluations[-1]))
    assert last["loss"].sum / last["loss"].weight < 0.8 * first["loss"].sum / first["loss"].weight
    # Padding counts for nothing: the weight is the share of the places that hold words, over all held-out examples.
    words = sum(float((one["ids"] > 0).mean(axis=1).sum()) for one in held_out)
    assert last["loss"].weight == pytest.approx(words, rel=1e-6)
    assert last["accuracy"].weight == pytest.approx(words, rel=1e-6)

    # The moving statistics were averaged with the weights.
    before, after = (
        split_vector(manifest.weight_specs, vector) for vector in (PlanRuntime(path).get_weights(), committed)
    )
    statistics = [name for name in after if "moving" in name]
    assert len(statistics) == 2
    for name in statistics:
        assert np.abs(after[name] - before[name]).max() > 0.01
        assert np.isfinite(after[name]).all()
    assert after[statistics[1]].min() > 0
