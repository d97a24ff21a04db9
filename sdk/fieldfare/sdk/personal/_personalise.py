"""Fine-tuning of a checkpoint for this device alone, and whether that is of use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError, WeightsError
from fieldfare.core.metrics import means
from fieldfare.core.plans import Manifest, count_rows
from fieldfare.core.tasks import Algorithm, lower_is_better
from fieldfare.core.weights import TensorSpec, join_tensors, split_vector
from fieldfare.sdk.personal._settings import Personal
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training import Enough, Interrupt, LocalTrainer, never


@dataclass(frozen=True, slots=True)
class Adapted:
    """What fine-tuning gave.

    Attributes:
        kept: whether it is worth keeping.
        detail: why, in words.
        specs: of the weights that were adapted.
        vector: their values, `(total_size(specs),)` float32; empty where too few examples were there.
        examples: how many were trained on.
        held_out: how many it was measured with.
        shared: means over the held-out examples with the shared weights.
        own: the same with the adapted ones.
    """

    kept: bool
    detail: str
    specs: tuple[TensorSpec, ...]
    vector: NDArray[np.float32]
    examples: int
    held_out: int
    shared: Mapping[str, float]
    own: Mapping[str, float]


def personalise(
    trainer: LocalTrainer,
    manifest: Manifest,
    checkpoint: NDArray[np.float32],
    source: ExampleSource,
    settings: Personal,
    *,
    rng: "np.random.Generator",
    interrupt: Interrupt,
    enough: Enough = never,
) -> Adapted:
    """Adapt the chosen weights of a checkpoint to the device's examples, and compare on the held-out ones.

    Args:
        trainer: has the manifest's plan loaded.
        manifest: of the plan.
        checkpoint: the shared weights, `(n,)` float32.
        source: the examples.
        settings: what to adapt, and how.
        rng: gives the order of the examples.
        interrupt: asked before every step.
        enough: asked after every step of training.

    Raises:
        ConfigError: settings that do not go with the plan.
        DataError: examples of another kind than the plan's.
        WeightsError: training came to numbers that are not finite.
        PlanError: the plan lacks `gradients`, where they are needed, or fails.
        Interrupted: `interrupt` gave a reason.
    """
    if source.specs != manifest.example_specs:
        raise DataError("the store's examples are not of the plan's kind")
    if settings.metric not in manifest.metric_names:
        raise ConfigError(f"the plan has {', '.join(manifest.metric_names)} only", field="personal.metric")
    local = settings.local
    if local.batch_size > manifest.batch_size:
        raise ConfigError(f"the plan takes at most {manifest.batch_size}", field="personal.local.batch_size")
    chosen = settings.chosen(manifest.weight_specs)
    examples = source.training(local.max_examples)
    rows = count_rows(examples)
    if rows < local.min_examples:
        detail = f"{rows} examples, and {local.min_examples} are needed"
        return Adapted(False, detail, chosen, np.zeros(0, np.float32), rows, 0, {}, {})
    mask = _mask(manifest.weight_specs, chosen) if settings.algorithm is Algorithm.FEDPROX else None
    done = trainer.train(
        checkpoint,
        examples,
        local=local,
        algorithm=settings.algorithm,
        rng=rng,
        interrupt=interrupt,
        enough=enough,
        mask=mask,
    )
    adapted = checkpoint + done.vector
    if not np.isfinite(adapted).all():
        raise WeightsError("personalisation came to weights that are not finite: its learning rate may be too high")
    held_out = source.held_out()
    count = count_rows(held_out)
    shared, own = (
        means(trainer.evaluate(weights, held_out, interrupt=interrupt)) if count else {}
        for weights in (checkpoint, adapted)
    )
    kept, detail = _verdict(settings, count, shared, own)
    tensors = split_vector(manifest.weight_specs, adapted)
    vector = join_tensors(chosen, {one.name: tensors[one.name] for one in chosen})
    return Adapted(kept, detail, chosen, vector, done.example_count, count, shared, own)


def overlaid(
    specs: Sequence[TensorSpec],
    base: NDArray[np.float32],
    own_specs: Sequence[TensorSpec],
    own: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The shared weights with a device's own in their place, `(n,)` float32.

    Raises:
        WeightsError: the own weights are not among the shared ones.
    """
    if not set(own_specs) <= set(specs):
        raise WeightsError("the device's own weights are not those of the plan")
    return join_tensors(specs, {**split_vector(specs, base), **split_vector(own_specs, own)})


def _mask(specs: Sequence[TensorSpec], chosen: Sequence[TensorSpec]) -> NDArray[np.bool_]:
    return np.concatenate([np.full(one.size, one in chosen) for one in specs])


def _verdict(settings: Personal, count: int, shared: Mapping[str, float], own: Mapping[str, float]) -> tuple[bool, str]:
    name = settings.metric
    # A ratio such as precision may have nothing to say on few examples.
    if count < settings.min_held_out or name not in shared or name not in own:
        return settings.always, f"{count} held-out examples cannot tell which is better"
    before, after = shared[name], own[name]
    better = after < before if lower_is_better(name) else after > before
    words = f"{name} {after:.4g}, shared {before:.4g}, on {count} held-out examples"
    return settings.always or better, words
