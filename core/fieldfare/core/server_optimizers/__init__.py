"""How the mean of a round's updates changes the global weights: an `init` and an `apply` over immutable state."""

from fieldfare.core.local_steps import CONTROL
from fieldfare.core.server_optimizers._adaptive import FedAdagrad, FedAdam, FedYogi
from fieldfare.core.server_optimizers._protocol import ServerOptimizer, State
from fieldfare.core.server_optimizers._registry import server_optimizer
from fieldfare.core.server_optimizers._scaffold import Participation, Scaffold
from fieldfare.core.server_optimizers._sgd import GradientStep, MeanDelta, Momentum
from fieldfare.core.server_optimizers._statistics import AveragedStatistics

__all__ = [
    "CONTROL",
    "AveragedStatistics",
    "FedAdagrad",
    "FedAdam",
    "FedYogi",
    "GradientStep",
    "MeanDelta",
    "Momentum",
    "Participation",
    "Scaffold",
    "ServerOptimizer",
    "State",
    "server_optimizer",
]
