"""From a task's specification to its server optimiser."""

from fieldfare.core.server_optimizers._protocol import ServerOptimizer
from fieldfare.core.server_optimizers._sgd import GradientStep, MeanDelta
from fieldfare.core.tasks import AggregationSpec, Algorithm


def server_optimizer(spec: AggregationSpec) -> ServerOptimizer:
    """The optimiser that the task asks for."""
    if spec.algorithm is Algorithm.DSGD:
        return GradientStep(spec.server_learning_rate)
    return MeanDelta(spec.server_learning_rate)
