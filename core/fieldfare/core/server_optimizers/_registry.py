"""From a task's specification to its server optimiser."""

from collections.abc import Sequence

from fieldfare.core.errors import AggregationError
from fieldfare.core.server_optimizers._adaptive import FedAdagrad, FedAdam, FedYogi
from fieldfare.core.server_optimizers._protocol import ServerOptimizer
from fieldfare.core.server_optimizers._scaffold import Participation, Scaffold
from fieldfare.core.server_optimizers._sgd import GradientStep, MeanDelta, Momentum
from fieldfare.core.server_optimizers._statistics import AveragedStatistics
from fieldfare.core.tasks import AggregationSpec, Algorithm


def server_optimizer(
    spec: AggregationSpec, statistics: Sequence[slice] = (), participation: Participation | None = None
) -> ServerOptimizer:
    """The optimiser that the task asks for.

    Args:
        spec: algorithm and settings.
        statistics: where the plan's moving statistics lie in the weights; they are averaged plainly.
        participation: whom the server knows of; only SCAFFOLD needs it.

    Raises:
        AggregationError: SCAFFOLD without `participation`.
    """
    optimizer = _optimizer(spec, participation)
    return AveragedStatistics(optimizer, tuple(statistics)) if statistics else optimizer


def _optimizer(spec: AggregationSpec, participation: Participation | None) -> ServerOptimizer:
    rate, algorithm = spec.server_learning_rate, spec.algorithm
    if algorithm is Algorithm.SCAFFOLD:
        if participation is None:
            raise AggregationError("SCAFFOLD needs to know how many devices the task has seen")
        return Scaffold(rate, participation)
    moments = (spec.beta1, spec.beta2, spec.adaptivity)
    adapted: dict[Algorithm, ServerOptimizer] = {
        Algorithm.DSGD: GradientStep(rate),
        Algorithm.FEDAVGM: Momentum(rate, spec.beta1),
        Algorithm.FEDADAGRAD: FedAdagrad(rate, spec.adaptivity),
        Algorithm.FEDADAM: FedAdam(rate, *moments),
        Algorithm.FEDYOGI: FedYogi(rate, *moments),
    }
    # FEDPROX and FEDBUFF differ from FEDAVG on the device and in the weights only.
    return adapted.get(algorithm, MeanDelta(rate))
