"""How the mean of a round's updates changes the global weights: an `init` and an `apply` over immutable state."""

from fieldfare.core.server_optimizers._protocol import ServerOptimizer
from fieldfare.core.server_optimizers._registry import server_optimizer
from fieldfare.core.server_optimizers._sgd import GradientStep, MeanDelta

__all__ = ["GradientStep", "MeanDelta", "ServerOptimizer", "server_optimizer"]
