"""What an app lets training take, whatever a task asks for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from fieldfare.core.errors import ConfigError, PlanError
from fieldfare.core.plans import read_manifest, training_memory
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.sdk.training._trainer import Enough, never


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one round's work on this device. A task's own bounds hold as well; the tighter one counts.

    Attributes:
        memory_bytes: a plan that needs more, by its manifest or by its file, is not loaded; the round is given up. The
            device tells the aggregator this size as its memory, so that tasks for larger devices pass it by. None: no
            bound.
        time: training ends with the first step after so long, and what was trained until then counts. None: no bound.
        examples: of the newest examples so many at the most are trained on. None: no bound.

    Raises:
        ConfigError: a bound that is not positive.
    """

    memory_bytes: int | None = None
    time: timedelta | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("memory_bytes", self.memory_bytes), ("examples", self.examples)):
            if value is not None and value < 1:
                raise ConfigError(f"must be at least 1, got {value}", field=f"limits.{name}")
        if self.time is not None and self.time <= timedelta(0):
            raise ConfigError("must be a positive duration", field="limits.time")

    def bounded(self, local: LocalTrainingSpec) -> LocalTrainingSpec:
        """What a task asks for, with no more examples than are allowed here."""
        if self.examples is None or self.examples >= local.max_examples:
            return local
        # Safe: a device that may not use as many examples as a task needs at the least sits the round out.
        return replace(local, max_examples=self.examples)

    def seconds(self, local: LocalTrainingSpec) -> float | None:
        """How long training may take; None for as long as it needs."""
        times = [float(local.max_seconds)] if local.max_seconds else []
        if self.time is not None:
            times.append(self.time.total_seconds())
        return min(times, default=None)


NO_LIMITS = Limits()


def check_memory(plan: Path, limits: Limits) -> None:
    """Refuse a plan that needs more memory than is allowed, before anything of it is loaded.

    Raises:
        PlanError: says what it needs and what is allowed; or the file is no plan.
    """
    if limits.memory_bytes is None:
        return
    manifest = read_manifest(plan)
    needed = manifest.training_memory_bytes or training_memory(plan, manifest)
    if needed > limits.memory_bytes:
        allowed = limits.memory_bytes
        raise PlanError(f"the plan needs about {needed:,} bytes of memory to train, and {allowed:,} are allowed")


def time_limit(seconds: float | None, clock: Callable[[], float]) -> Enough:
    """True once so many seconds have passed from now on; None for never."""
    if seconds is None:
        return never
    end = clock() + seconds
    return lambda: clock() >= end
