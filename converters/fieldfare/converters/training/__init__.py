"""What a plan trains with: Keras's words for loss, metrics and optimiser, made into sums over examples."""

from fieldfare.converters.training._accumulation import without_branches
from fieldfare.converters.training._losses import REFUSED_LOSSES
from fieldfare.converters.training._metrics import REFUSED_METRICS
from fieldfare.converters.training._optimizers import REFUSED_OPTIMIZERS, starting_points
from fieldfare.converters.training._resolve import Training, compile_settings, resolve_training
from fieldfare.converters.training._sums import Term

__all__ = [
    "REFUSED_LOSSES",
    "REFUSED_METRICS",
    "REFUSED_OPTIMIZERS",
    "Term",
    "Training",
    "compile_settings",
    "resolve_training",
    "starting_points",
    "without_branches",
]
