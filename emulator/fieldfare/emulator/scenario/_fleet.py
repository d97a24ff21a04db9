"""What the devices of a scenario are like: `[fleet]` and the sections inside of it."""

import math
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Literal

from fieldfare.core.errors import ConfigError

Profile = Literal["plain", "phones"]
NetworkName = Literal["unmetered", "metered"]

_DAY = timedelta(days=1)
_MOST_BYTES = 2**50
_MOST_CLASSES = 100


def _need(legal: bool, key: str, words: str) -> None:
    if not legal:
        raise ConfigError(words, field=f"fleet.{key}")


@dataclass(frozen=True, slots=True)
class ConditionSettings:
    """What must hold for a device to work, as for `fieldfare join`; needs a profile or a trace that tells states.

    Attributes:
        on_power: plugged in.
        unmetered: on a network whose bytes cost nothing.
        min_user_idle: how long nobody may have used the device; 0 for any.
    """

    on_power: bool = False
    unmetered: bool = False
    min_user_idle: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        _need(timedelta(0) <= self.min_user_idle <= _DAY, "conditions.min_user_idle", "must be 0 to 1d")

    @property
    def always_hold(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.on_power or self.unmetered or self.min_user_idle)


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Memory classes of the devices; one whose memory is too small for the task is never asked.

    Attributes:
        sizes_bytes: of the classes, such as ["2GiB", "4GiB"]; empty: what the profile says, 4 GiB in "plain".
        shares: of the devices in each class; they are scaled to a sum of 1.
        usable_share: of its memory that a device lends to training, and says to the aggregator.
    """

    sizes_bytes: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    usable_share: float = 1.0

    def __post_init__(self) -> None:
        legal = all(0 < one <= _MOST_BYTES for one in self.sizes_bytes) and len(self.sizes_bytes) <= _MOST_CLASSES
        _need(legal, "memory.sizes_bytes", f"must be at most {_MOST_CLASSES} sizes above 0, of at most 1024 TiB each")
        alike = len(self.shares) == len(self.sizes_bytes)
        _need(alike, "memory.shares", f"must be {len(self.sizes_bytes)} numbers, one for each of memory.sizes_bytes")
        legal = all(0 <= one < math.inf for one in self.shares) and (not self.shares or 0 < sum(self.shares) < math.inf)
        _need(legal, "memory.shares", "must not be negative, nor all of them 0")
        _need(0 < self.usable_share <= 1, "memory.usable_share", "must be above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class EnergySettings:
    """What work costs a device's battery or its owner, beyond what it takes anyway.

    Attributes:
        training_w: watts while it trains or evaluates; the profile "phones" scales it by the phone's class.
        unmetered_on_w: watts of the radio while it transfers, on an unmetered network.
        unmetered_download_j_per_mb: joules for each million bytes that come, on top.
        unmetered_upload_j_per_mb: joules for each million bytes that go, on top.
        unmetered_tail_j: joules after each transfer, until the radio sleeps.
        metered_on_w: the same on a metered network.
        metered_download_j_per_mb: joules for each million bytes that come, on top.
        metered_upload_j_per_mb: joules for each million bytes that go, on top.
        metered_tail_j: joules after each transfer, until the radio sleeps.
    """

    training_w: float = 5.5
    unmetered_on_w: float = 0.133
    unmetered_download_j_per_mb: float = 1.096
    unmetered_upload_j_per_mb: float = 2.265
    unmetered_tail_j: float = 0.028
    metered_on_w: float = 1.288
    metered_download_j_per_mb: float = 0.416
    metered_upload_j_per_mb: float = 3.507
    metered_tail_j: float = 12.271

    def __post_init__(self) -> None:
        for one in fields(self):
            _need(0 <= getattr(self, one.name) <= 1e6, f"energy.{one.name}", "must be 0 to 1e6")  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Traces of one's own, as CSV files; docs/fleet_behaviour.md describes them. Paths start at the scenario's folder.

    Attributes:
        states: when a device is charging, on which network, and idle; repeated when it ends.
        networks: bandwidths that change with time; repeated when they end.
        speeds: training examples a second of each device.
    """

    states: Path | None = None
    networks: Path | None = None
    speeds: Path | None = None


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What the devices are like. Each device's speed and bandwidths are drawn once.

    Attributes:
        profile: "plain": what stands here; "phones": speeds, memory, cellular bandwidths and hours of charging, Wi-Fi
            and rest as they were measured on phones (docs/fleet_behaviour.md).
        examples_per_s: training examples that the median device works through in a second; evaluation counts a third.
        download_mbit_s: of the median device; of its unmetered network with "phones".
        upload_mbit_s: the same.
        spread: sigma of the logarithms: with 0.5 a sixth of the devices is slower than 0.6 of the median; 0 for none.
            With "phones" it is the bandwidths' only.
        latency: added to each download and each upload.
        dropout: share of assignments after which nothing is heard of the device, at any moment of its work.
        available_from: hour of the devices' day at which they become available on average; with `available_for`.
        available_for: how long a device is available each day; a day or more: always.
        available_spread: standard deviation of the hour at which a device's time begins.
        utc_offset_h: hours by which the devices' clocks are ahead of UTC, -12 to 14.
        network: what devices are on where no states tell; "metered" counts another energy.
        conditions: what must hold for a device to work, as for `fieldfare join`; needs states: the profile "phones",
            or a trace.
        memory: memory classes; a device whose memory is too small for the task is never asked.
        energy: what work costs the device, beyond what it takes anyway.
        traces: CSV files of one's own; docs/fleet_behaviour.md describes them.
    """

    profile: Profile = "plain"
    examples_per_s: float = 200.0
    download_mbit_s: float = 20.0
    upload_mbit_s: float = 5.0
    spread: float = 0.5
    latency: timedelta = timedelta(milliseconds=50)
    dropout: float = 0.0
    available_from: float = 23.0
    available_for: timedelta = _DAY
    available_spread: timedelta = timedelta(hours=1)
    utc_offset_h: float = 0.0
    network: NetworkName = "unmetered"
    conditions: ConditionSettings = field(default_factory=ConditionSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    energy: EnergySettings = field(default_factory=EnergySettings)
    traces: TraceSettings = field(default_factory=TraceSettings)

    def __post_init__(self) -> None:
        for key in ("examples_per_s", "download_mbit_s", "upload_mbit_s"):
            _need(0 < getattr(self, key) < math.inf, key, "must be above 0")
        _need(0 <= self.spread <= 3, "spread", "must be 0 to 3")  # noqa: PLR2004
        _need(timedelta(0) <= self.latency <= timedelta(minutes=1), "latency", "must be 0 to 1min")
        _need(0 <= self.dropout < 1, "dropout", "must be 0 to below 1")
        _need(0 <= self.available_from < 24, "available_from", "must be 0 to below 24")  # noqa: PLR2004
        _need(self.available_for > timedelta(0), "available_for", "must be above 0")
        _need(self.available_spread >= timedelta(0), "available_spread", "must not be negative")
        _need(-12 <= self.utc_offset_h <= 14, "utc_offset_h", "must be -12 to 14")  # noqa: PLR2004
        words = (
            'a window of the day and states (profile "phones", traces.states) exclude each other: ask for conditions'
        )
        _need(self.available_for >= _DAY or not self.has_states, "available_for", words)
        words = 'nothing tells the devices\' states: set fleet.profile = "phones", or fleet.traces.states'
        _need(self.conditions.always_hold or self.has_states, "conditions", words)

    @property
    def has_states(self) -> bool:
        """Whether it is told when devices are charging, on which network, and idle."""
        return self.profile == "phones" or self.traces.states is not None
