"""What the engine tells whoever measures it."""

import contextlib
from typing import Literal, Protocol

Operation = Literal["ingest", "snapshot", "commit"]


class Telemetry(Protocol):
    """Measures the engine's work; may be called from several threads at once."""

    def operation(
        self, operation: Operation, task_id: str, round_number: int
    ) -> contextlib.AbstractContextManager[None]:
        """The body is one piece of work; what it raises goes on."""
        ...


class Unmeasured:
    """A `Telemetry` for an engine that nobody watches."""

    def operation(
        self,
        operation: Operation,  # noqa: ARG002
        task_id: str,  # noqa: ARG002
        round_number: int,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[None]:
        """Nothing is measured."""
        return contextlib.nullcontext()


UNMEASURED = Unmeasured()
