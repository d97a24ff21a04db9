"""Hypothesis strategies for valid values of core."""

from datetime import timedelta

from hypothesis import strategies as st

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
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
def local_specs(draw) -> LocalTrainingSpec:
    most = draw(st.integers(1, 10**7))
    return LocalTrainingSpec(
        draw(st.integers(1, 1000)),
        draw(st.integers(0, 10**6)),
        draw(st.none() | rates),
        draw(st.integers(1, most)),
        most,
        draw(st.integers(1, 10**7)),
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
    aggregation = AggregationSpec(
        draw(st.sampled_from(Algorithm)),
        draw(st.sampled_from(Weighting)),
        draw(rates),
        draw(st.integers(1, training.minimum)),
        draw(st.floats(2.0**-20, 2.0**20)),
    )
    return TaskSpec(
        draw(names),
        draw(names),
        rounds=rounds,
        training=training,
        evaluation=draw(cohorts()),
        evaluate_every=draw(st.integers(0 if target is None else 1, rounds)),
        local=draw(local_specs()),
        aggregation=aggregation,
        target=target,
        encoding=draw(st.sampled_from([FLOAT32, FLOAT16])),
    )
