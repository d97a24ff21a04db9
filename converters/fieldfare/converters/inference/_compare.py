"""How far a quantised model is from the float one: sizes, outputs, and the plan's own metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters.inference._cut import plan_to_inference
from fieldfare.converters.inference._run import InferenceModel
from fieldfare.converters.inference._score import Scorer
from fieldfare.core.plans import Examples, check_examples, read_manifest


@dataclass(frozen=True, slots=True)
class Comparison:
    """The float model of a plan and another one, on the same examples.

    Attributes:
        examples: how many.
        sizes_bytes: of the float model and of the other.
        metrics: name of the loss or metric to its mean for the float model and for the other.
        missing: the loss or metrics that the plan does not compute of its outputs alone, so that they are not compared.
        differences: output name to the largest difference over the float model's largest absolute value.
    """

    examples: int
    sizes_bytes: tuple[int, int]
    metrics: Mapping[str, tuple[float, float]]
    missing: tuple[str, ...]
    differences: Mapping[str, float]

    def __str__(self) -> str:
        lines = [f"{'':24}{'float':>14}{'int8':>14}{'difference':>14}"]
        before, after = self.sizes_bytes
        lines.append(f"{'bytes':24}{before:>14,}{after:>14,}{after / before - 1:>+14.1%}")
        lines += [f"{name:24}{was:>14.4f}{now:>14.4f}{now - was:>+14.4f}" for name, (was, now) in self.metrics.items()]
        lines += [f"largest difference of {name}: {value:.2%} of its range" for name, value in self.differences.items()]
        if self.missing:
            lines.append(f"not a function of the outputs, so not compared: {', '.join(self.missing)}")
        return "\n".join([f"{self.examples:,} examples", *lines])


def compare_models(plan: bytes, vector: NDArray[np.float32], model: bytes, examples: Examples) -> Comparison:
    """Compare a quantised model with the float model of the same plan and weights.

    Args:
        plan: the whole plan.
        vector: `(total,)` float32 trained weights.
        model: made of them by `to_int8` or `weights_to_int8`.
        examples: the plan's inputs and targets, `(n, *shape)` each.

    Raises:
        DataError: other examples than the plan's.
        PlanError: no plan or no inference model.
        WeightsError: a vector of another length.
    """
    manifest = read_manifest(plan)
    rows = check_examples(manifest.example_specs, examples)
    reference = plan_to_inference(plan, vector)
    inputs = {spec.name: examples[spec.name] for spec in manifest.input_specs}
    targets = {one.spec.name: examples[one.spec.name] for one in manifest.targets}
    before, after = (InferenceModel(one).predict(inputs) for one in (reference, model))
    scorer = Scorer(plan, vector)
    was, now = (scorer.score(one, targets) for one in (before, after))
    return Comparison(
        examples=rows,
        sizes_bytes=(len(reference), len(model)),
        metrics={name: (was[name], now[name]) for name in scorer.names if name in was and name in now},
        missing=scorer.missing,
        differences={
            name: float(np.abs(after[name] - value).max() / max(float(np.abs(value).max()), 1e-12))
            for name, value in before.items()
        },
    )
