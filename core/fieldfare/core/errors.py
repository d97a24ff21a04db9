"""Every error that Fieldfare raises on purpose.

    FieldfareError
    |-- ConfigError            a key, flag or task field that cannot be used
    |-- DataError              examples of the wrong name, shape, dtype, or none at all
    |-- ModelError             a Keras model that cannot be exported
    |-- PlanError              a file that is no plan, a damaged one, one from a newer version
    |-- WeightsError           weights that do not fit, a damaged weights file
    |-- UpdateError            an update that is refused (carries the reason's name)
    |-- AggregationError       an average that cannot be formed
    |-- StorageError           state on disk that cannot be read or written
    |-- TransportError         an aggregator that cannot be reached, a call that failed
    |   |-- AuthenticationError    no valid credential (carries the aggregator's time)
    |   |-- PeerError              not the aggregator that is to be there: certificate, TLS, protocol
    |   |-- PermissionDeniedError  a valid credential that does not allow it
    |   `-- LimitError             too much or too often (carries when to come back)
    |-- ProtocolError          a peer that does not keep to the protocol
    |-- NotFoundError          a task, artifact or file that is not there
    `-- StateError             an action that the task's or round's state does not allow

`main()` of the `fieldfare` command prints the message of any of them as one line and exits with `exit_status`.
"""

from typing import ClassVar

__all__ = [
    "AggregationError",
    "AuthenticationError",
    "ConfigError",
    "DataError",
    "FieldfareError",
    "LimitError",
    "ModelError",
    "NotFoundError",
    "PeerError",
    "PermissionDeniedError",
    "PlanError",
    "ProtocolError",
    "StateError",
    "StorageError",
    "TransportError",
    "UpdateError",
    "WeightsError",
]


class FieldfareError(Exception):
    """Base of the tree. The message says what is wrong and what to do."""

    exit_status: ClassVar[int] = 1


class ConfigError(FieldfareError):
    """A configuration key, a flag or a task field that cannot be used.

    Attributes:
        field: the dotted name of the field, as the user wrote it; empty where there is none.
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class DataError(FieldfareError):
    """Examples that do not fit, or that are not there. Holds names, shapes and dtypes, never values."""


class ModelError(FieldfareError):
    """A Keras model that cannot be exported.

    Attributes:
        problems: one sentence for each offending layer or setting, each with a way round where one is known.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))
        self.problems = problems


class PlanError(FieldfareError):
    """A file that is not a usable plan."""


class WeightsError(FieldfareError):
    """Weights that do not fit the specs, or a damaged weights file."""


class UpdateError(FieldfareError):
    """An update that the aggregator refuses.

    Attributes:
        reason: short stable name for counters ("shape", "non_finite", "digest", ...).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AggregationError(FieldfareError):
    """An average that cannot be formed: nothing was added, or the total weight is zero."""


class StorageError(FieldfareError):
    """State on disk that cannot be read or written."""


class TransportError(FieldfareError):
    """A peer that cannot be reached, or a call that failed on the way.

    Attributes:
        retryable: whether the same call may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class AuthenticationError(TransportError):
    """A call without a valid credential: none, a forged, expired or revoked one. The same call will not succeed.

    Attributes:
        server_time_micros: the aggregator's clock in microseconds since 1970, where it told; for a device whose own is
            wrong.
    """

    def __init__(self, message: str, *, server_time_micros: int | None = None) -> None:
        super().__init__(message, retryable=False)
        self.server_time_micros = server_time_micros


class PeerError(TransportError):
    """Who answers is not who is to answer: its certificate is wrong, it does not speak TLS, or another protocol.

    Somebody has to mend that; trying again soon is of no use.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class PermissionDeniedError(TransportError):
    """A call whose credential is valid and does not allow it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class LimitError(TransportError):
    """A call beyond a bound on rate or number; later it may succeed.

    Attributes:
        retry_after_s: seconds until then.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProtocolError(FieldfareError):
    """A peer that does not keep to the protocol."""


class NotFoundError(FieldfareError):
    """Something that was asked for by name and is not there."""


class StateError(FieldfareError):
    """An action that the present state does not allow."""
