"""`EligibilitySpec`: which devices may take part, and why one may not."""

import re
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks._aggregation import Algorithm
from fieldfare.core.tasks._fields import need, optional
from fieldfare.protos.v1 import aggregator_pb2, task_pb2

_VERSION = re.compile(r"(\d{1,9}(?:\.\d{1,9}){0,5})(.*)", re.DOTALL)
_PLAIN_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,5}")
_LONGEST_SEPARATION = timedelta(days=365)
_ALWAYS_THERE = frozenset({Algorithm.FEDAVG.value, Algorithm.DSGD.value})


@dataclass(frozen=True, slots=True)
class EligibilitySpec:
    """Which devices may take part in a task.

    Attributes:
        min_memory_bytes: a device with less memory, or that does not say, is not asked.
        min_sdk: lowest version of the SDK, "0.2.0"; empty for any.
        min_separation: time between two counted reports of one device for the task.
    """

    min_memory_bytes: int = 0
    min_sdk: str = ""
    min_separation: timedelta = timedelta(0)

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        need(0 <= self.min_memory_bytes < 2**63, f"{name}.min_memory_bytes", "must be 0 to 2**63 - 1")
        legal = not self.min_sdk or _PLAIN_VERSION.fullmatch(self.min_sdk) is not None
        need(legal, f"{name}.min_sdk", 'must be a version, such as "0.2.0"')
        within = timedelta(0) <= self.min_separation <= _LONGEST_SEPARATION
        need(within, f"{name}.min_separation", 'must be 0 or a positive duration of at most 365 days, such as "86400s"')

    def to_proto(self) -> task_pb2.EligibilitySpec:
        """The wire form with every default written out."""
        proto = task_pb2.EligibilitySpec(min_memory_bytes=self.min_memory_bytes, min_sdk=self.min_sdk)
        proto.min_separation.FromTimedelta(self.min_separation)
        return proto

    @classmethod
    def from_proto(cls, proto: task_pb2.EligibilitySpec) -> "EligibilitySpec":
        """Read the wire form; absent fields take their defaults. Does not check bounds.

        Raises:
            ConfigError: a duration that does not fit.
        """
        return cls(
            min_memory_bytes=optional(proto, "min_memory_bytes", 0),
            min_sdk=proto.min_sdk,
            min_separation=_separation(proto.min_separation),
        )


def unfit(
    eligibility: EligibilitySpec,
    algorithm: Algorithm,
    stages: frozenset[str],
    capabilities: aggregator_pb2.Capabilities,
) -> str | None:
    """Why a device with these capabilities cannot work for a task, in words; None where it can.

    Args:
        eligibility: of the task.
        algorithm: of the task.
        stages: those of its encoding.
        capabilities: as the device tells them.
    """
    if capabilities.protocol_version < 1:
        return "the device speaks no protocol version that this aggregator knows: upgrade it"
    if missing := sorted(stages - set(capabilities.encoding_stages)):
        return f"it needs the encoding {', '.join(missing)}, which the device does not offer"
    if algorithm.on_device.value not in (capabilities.algorithms or _ALWAYS_THERE):
        return f"it needs the algorithm {algorithm.on_device.name}, which the device does not offer"
    if capabilities.memory_bytes < eligibility.min_memory_bytes:
        return f"it needs a device with {eligibility.min_memory_bytes} bytes of memory"
    if eligibility.min_sdk and _version(capabilities.sdk) < _version(eligibility.min_sdk):
        return f"it needs version {eligibility.min_sdk} of the SDK: upgrade the device"
    return None


def _version(text: str) -> tuple[tuple[int, ...], bool]:
    """What orders versions: the numbers of "name 1.2.0rc1", then whether it is the release; nothing comes lowest."""
    found = _VERSION.match(text.rpartition(" ")[2])
    if found is None:
        return (), False
    numbers = [int(one) for one in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    # What follows "+" names a build of that very release.
    return tuple(numbers), found[2] == "" or found[2].startswith("+")


def _separation(proto: Duration) -> timedelta:
    try:
        return proto.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"is not a duration: {error}", field="eligibility.min_separation") from error
