"""The sections of a scenario, each with its defaults and its bounds."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from fieldfare.core.errors import ConfigError

PartitionKind = Literal["iid", "dirichlet", "shards", "quantity", "column"]

_TRAINER = re.compile(r"[\w.]+:\w+")
_MOST_DEVICES = 10_000_000
_MOST_DRAWN = 200_000_000


def _need(legal: bool, section: str, key: str, words: str) -> None:
    if not legal:
        raise ConfigError(words, field=f"{section}.{key}")


@dataclass(frozen=True, slots=True)
class DataSettings:
    """The examples.

    Attributes:
        source: an .npz or .csv file whose arrays or columns are those of the plan's examples; a relative path is taken
            from the scenario's folder.
        column: name of an array or column beside them that tells whose each example is; for the partition "column".
    """

    source: Path = Path("data.npz")
    column: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionSettings:
    """How the examples are spread over the devices.

    Attributes:
        kind: "iid": equal parts of a shuffle; "dirichlet": each label is spread by shares that are drawn (Yurochkin et
            al. 2019; where devices draw: Hsu, Qi and Brown 2019); "shards": sorted by label and cut, some shards a
            device (McMahan et al. 2017); "quantity": a shuffle cut into parts of very different sizes (Li et al.
            2022); "column": a device for each value of `data.column`.
        devices: how many; with "column" as many as there are values.
        labels: name of the integer tensor that holds the labels, for "dirichlet" and "shards"; default: the last one
            of the plan's example tensors.
        alpha: concentration of "dirichlet" and "quantity"; small values make devices differ more.
        shards_per_device: for "shards".
        min_examples: fewest examples of a device, those that are held out included.
        drawn_per_device: examples that each device draws with replacement, so that devices share examples and a fleet
            may be larger than its data ("quantity": on average); what is held out is so for every device. 0: no
            sharing, each example is on one device.
        held_out_share: share of each device's examples that is kept for evaluation, 0 to below 1.
    """

    kind: PartitionKind = "iid"
    devices: int = 100
    labels: str | None = None
    alpha: float = 0.5
    shards_per_device: int = 2
    min_examples: int = 1
    drawn_per_device: int = 0
    held_out_share: float = 0.2

    def __post_init__(self) -> None:
        section = "partition"
        _need(1 <= self.devices <= _MOST_DEVICES, section, "devices", f"must be 1 to {_MOST_DEVICES}")
        _need(0 < self.alpha <= 1e6, section, "alpha", "must be above 0 and at most 1e6")  # noqa: PLR2004
        _need(self.shards_per_device >= 1, section, "shards_per_device", "must be at least 1")
        _need(self.min_examples >= 1, section, "min_examples", "must be at least 1")
        _need(0 <= self.held_out_share < 1, section, "held_out_share", "must be 0 to below 1")
        self._check_drawn()

    def _check_drawn(self) -> None:
        drawn, key = self.drawn_per_device, "drawn_per_device"
        most = _MOST_DRAWN // self.devices
        _need(0 <= drawn <= most, "partition", key, f"must be 0 to {most} with {self.devices} devices")
        if drawn:
            _need(self.kind != "column", "partition", key, 'must be 0 with "column", which says whose each example is')
            _need(drawn >= self.min_examples, "partition", key, "must be 0, or at least partition.min_examples")


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What the devices are like. Each device's speed and bandwidths are drawn once, from log-normal distributions.

    Attributes:
        examples_per_s: training examples that the median device works through in a second; evaluation counts a third.
        download_mbit_s: of the median device.
        upload_mbit_s: of the median device.
        spread: sigma of the logarithms: with 0.5 a sixth of the devices is slower than 0.6 of the median; 0 for none.
        latency: added to each download and each upload.
        dropout: share of assignments after which nothing is heard of the device, at any moment of its work.
        available_from: hour of the day, UTC, at which devices become available on average; with `available_for`.
        available_for: how long a device is available each day; a day or more: always.
        available_spread: standard deviation of the hour at which a device's time begins.
    """

    examples_per_s: float = 200.0
    download_mbit_s: float = 20.0
    upload_mbit_s: float = 5.0
    spread: float = 0.5
    latency: timedelta = timedelta(milliseconds=50)
    dropout: float = 0.0
    available_from: float = 23.0
    available_for: timedelta = timedelta(days=1)
    available_spread: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        section = "fleet"
        for key in ("examples_per_s", "download_mbit_s", "upload_mbit_s"):
            _need(0 < getattr(self, key) < math.inf, section, key, "must be above 0")
        _need(0 <= self.spread <= 3, section, "spread", "must be 0 to 3")  # noqa: PLR2004
        _need(timedelta(0) <= self.latency <= timedelta(minutes=1), section, "latency", "must be 0 to 1min")
        _need(0 <= self.dropout < 1, section, "dropout", "must be 0 to below 1")
        _need(0 <= self.available_from < 24, section, "available_from", "must be 0 to below 24")  # noqa: PLR2004
        _need(self.available_for > timedelta(0), section, "available_for", "must be above 0")
        _need(self.available_spread >= timedelta(0), section, "available_spread", "must not be negative")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What runs the devices. Only another trainer changes the result.

    Attributes:
        workers: processes that train.
        trainer: "module:name" of a callable without arguments that makes each worker's `fieldfare.sdk.LocalTrainer`;
            the default is what devices run.
    """

    workers: int = 2
    trainer: str = "fieldfare.sdk.training:LiteRtTrainer"

    def __post_init__(self) -> None:
        _need(_TRAINER.fullmatch(self.trainer) is not None, "engine", "trainer", 'must be written "module:name"')
        _need(1 <= self.workers <= 1024, "engine", "workers", "must be 1 to 1024")  # noqa: PLR2004
