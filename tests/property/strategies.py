"""Hypothesis strategies for valid values of core."""

import functools
from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    AsynchronousSpec,
    CohortSpec,
    Combiner,
    Interruption,
    LocalTrainingSpec,
    TargetSpec,
    TaskSpec,
    Weighting,
)

names = st.text("abcXYZ019._-", min_size=1, max_size=64)
time_limits = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=7))
rates = st.floats(1e-12, 1e6)


@st.composite
def cohorts(draw) -> CohortSpec:
    goal = draw(st.integers(1, 100_000))
    minimum = draw(st.integers(1, goal))
    return CohortSpec(goal, minimum, draw(st.floats(1, 10)), draw(time_limits), draw(time_limits))


@st.composite
def local_specs(draw, largest: int = 10**7) -> LocalTrainingSpec:
    most = draw(st.integers(1, largest))
    return LocalTrainingSpec(
        learning_rate=draw(st.none() | rates),
        min_examples=draw(st.integers(1, most)),
        max_examples=most,
        min_evaluation_examples=draw(st.integers(1, 10**7)),
    )


norms = st.just(0.0) | st.floats(1e-30, 1e30)
asynchronous_specs = functools.partial(
    st.builds, AsynchronousSpec, st.integers(1, 10**6), st.integers(0, 1000), st.floats(0, 10)
)
MOMENTS = {
    Algorithm.FEDAVGM: ("beta1",),
    Algorithm.FEDADAGRAD: ("adaptivity",),
    Algorithm.FEDADAM: ("beta1", "beta2", "adaptivity"),
    Algorithm.FEDYOGI: ("beta1", "beta2", "adaptivity"),
}


@st.composite
def aggregation_specs(draw, minimum: int) -> AggregationSpec:
    algorithm = draw(st.sampled_from(Algorithm))
    scaffold, summed = algorithm is Algorithm.SCAFFOLD, {Algorithm.SCAFFOLD, Algorithm.FEDBUFF}
    possible = [Combiner.MEAN] if algorithm in summed else [*Combiner]
    possible = possible if minimum > 2 else [one for one in possible if not one.name.endswith("KRUM")]
    combiner = draw(st.sampled_from(possible))
    most, chosen = minimum, {key: draw(st.floats(1e-12, 0.999)) for key in MOMENTS.get(algorithm, ())}
    if combiner is Combiner.TRIMMED_MEAN:
        chosen["trim"] = draw(st.floats(0, 0.499))
    if combiner in {Combiner.KRUM, Combiner.MULTI_KRUM}:
        most, chosen["byzantine"] = 1, draw(st.integers(0, (minimum - 3) // 2))
    if combiner is Combiner.MULTI_KRUM:
        most = chosen["krum_selected"] = draw(st.integers(1, minimum - chosen["byzantine"]))
    clip, bound = sorted([draw(norms), draw(norms)])
    return AggregationSpec(
        algorithm,
        Weighting.UNIFORM if scaffold else draw(st.sampled_from(Weighting)),
        draw(rates),
        draw(st.integers(1, most)),
        draw(st.floats(2.0**-20, 2.0**20)),
        combiner,
        max_norm=bound if clip != bound else 0.0,
        clip_norm=0.0 if scaffold else clip,
        **chosen,
    )


@st.composite
def task_specs(draw) -> TaskSpec:
    rounds = draw(st.integers(1, 10**6))
    training = draw(cohorts())
    target = draw(
        st.none()
        | st.builds(
            TargetSpec,
            st.text(min_size=1, max_size=20),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
        )
    )
    aggregation = draw(aggregation_specs(training.minimum))
    buffered = aggregation.algorithm is Algorithm.FEDBUFF
    local = draw(local_specs(2**23 if buffered else 10**7))
    if aggregation.algorithm is Algorithm.FEDPROX:
        local = replace(local, proximal_mu=draw(st.floats(0, 1e6)))
    if aggregation.algorithm is not Algorithm.DSGD:
        local = replace(
            local,
            epochs=draw(st.integers(1, 1000)),
            max_steps=draw(st.integers(0, 10**6)),
            batch_size=draw(st.integers(0, 65_536)),
            shuffle=draw(st.booleans()),
            max_seconds=draw(st.integers(0, 604_800)),
            local_metrics=draw(st.booleans()),
            interruption=draw(st.sampled_from(Interruption)),
        )
    return TaskSpec(
        draw(names),
        draw(names),
        rounds=rounds,
        training=training,
        evaluation=draw(cohorts()),
        evaluate_every=draw(st.integers(0 if target is None else 1, rounds)),
        local=local,
        aggregation=aggregation,
        asynchronous=draw(asynchronous_specs()) if buffered else AsynchronousSpec(),
        target=target,
        encoding=draw(st.sampled_from([FLOAT32, FLOAT16])),
    )
