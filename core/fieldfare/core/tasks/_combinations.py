"""Which settings go together. What would have no effect, or cannot work, is refused with a way round."""

from fieldfare.core.tasks._aggregation import AggregationSpec, Algorithm, AsynchronousSpec, Combiner, Weighting
from fieldfare.core.tasks._fields import need
from fieldfare.core.tasks._local import LocalTrainingSpec

STALENESS_BITS = 8
"""A fresh report of a FEDBUFF task weighs its examples times 2 to this power, so that a stale one can weigh less."""
_LARGEST_WEIGHT = 2**31  # of a `FixedPointSum`

_USERS: dict[str, frozenset[Algorithm | Combiner]] = {
    "trim": frozenset({Combiner.TRIMMED_MEAN}),
    "byzantine": frozenset({Combiner.KRUM, Combiner.MULTI_KRUM}),
    "krum_selected": frozenset({Combiner.MULTI_KRUM}),
    "beta1": frozenset({Algorithm.FEDAVGM, Algorithm.FEDADAM, Algorithm.FEDYOGI}),
    "beta2": frozenset({Algorithm.FEDADAM, Algorithm.FEDYOGI}),
    "adaptivity": frozenset({Algorithm.FEDADAGRAD, Algorithm.FEDADAM, Algorithm.FEDYOGI}),
}


def check_combinations(aggregation: AggregationSpec, local: LocalTrainingSpec, asynchronous: AsynchronousSpec) -> None:
    """Raise `ConfigError` for the first setting that does not go with the others."""
    _check_users(aggregation)
    algorithm = aggregation.algorithm
    only = "is for FEDPROX only: choose that algorithm, or leave it out"
    need(local.proximal_mu == 0 or algorithm is Algorithm.FEDPROX, "local.proximal_mu", only)
    if algorithm is Algorithm.DSGD:
        _check_dsgd(local)
    buffered = algorithm is Algorithm.FEDBUFF
    only = "is for FEDBUFF only: choose that algorithm, or leave the table out"
    need(buffered or asynchronous == AsynchronousSpec(), "asynchronous", only)
    if buffered and aggregation.weighting is Weighting.EXAMPLES:
        most = _LARGEST_WEIGHT >> STALENESS_BITS
        need(local.max_examples <= most, "local.max_examples", f"must be 1 to {most} with FEDBUFF")
    _check_scaffold(aggregation)
    _check_combiner(aggregation)


def _check_users(aggregation: AggregationSpec) -> None:
    defaults = AggregationSpec()
    for key, users in _USERS.items():
        used = not users.isdisjoint({aggregation.algorithm, aggregation.combiner})
        names = ", ".join(sorted(one.name for one in users))
        same = getattr(aggregation, key) == getattr(defaults, key)
        need(used or same, f"aggregation.{key}", f"is for {names} only: leave it out")


def _check_dsgd(local: LocalTrainingSpec) -> None:
    """The mean gradient over all examples takes no steps, and ends when it has seen them all."""
    defaults = LocalTrainingSpec()
    for key in ("epochs", "max_steps", "batch_size", "shuffle", "max_seconds", "local_metrics"):
        same = getattr(local, key) == getattr(defaults, key)
        need(same, f"local.{key}", "has no effect with DSGD, which takes one gradient over all examples: leave it out")


def _check_scaffold(aggregation: AggregationSpec) -> None:
    if aggregation.algorithm is not Algorithm.SCAFFOLD:
        return
    # The server's control variate is the mean of the devices' own (Karimireddy et al. 2020, algorithm 1, line 17).
    uniform = aggregation.weighting is Weighting.UNIFORM
    need(uniform, "aggregation.weighting", "must be UNIFORM with SCAFFOLD, whose control variates are plain means")
    # A clipped control variate would no longer be the mean of those that the devices keep.
    words = "does not go with SCAFFOLD: refuse large updates with max_norm instead"
    need(aggregation.clip_norm == 0, "aggregation.clip_norm", words)


def _check_combiner(aggregation: AggregationSpec) -> None:
    name = aggregation.combiner.name
    if aggregation.combiner is Combiner.MEAN:
        return
    summed = aggregation.algorithm in {Algorithm.SCAFFOLD, Algorithm.FEDBUFF}
    words = f"{name} does not go with {aggregation.algorithm.name}, which needs sums: use MEAN, with max_norm"
    need(not summed, "aggregation.combiner", words)
    # The checkpoint after a commit tells what was selected; no fewer devices may be in it than in a snapshot.
    selected = {Combiner.KRUM: 1, Combiner.MULTI_KRUM: aggregation.krum_selected}.get(aggregation.combiner)
    if selected is not None:
        words = f"must be at most {selected} with {name}, whose checkpoint shows the mean of so many updates"
        need(aggregation.min_snapshot_updates <= selected, "aggregation.min_snapshot_updates", words)
