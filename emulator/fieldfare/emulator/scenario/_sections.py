"""Most sections of a scenario, each with its defaults and its bounds; `[fleet]` stands in a module of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from fieldfare.core.errors import ConfigError

PartitionKind = Literal["iid", "dirichlet", "shards", "quantity", "column"]
EngineKind = Literal["processes", "ray"]
TransportKind = Literal["memory", "grpc"]

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
        source: an .npz, .csv or .parquet file; a folder of pictures with a sub-folder for each label; a folder that
            `save_to_disk` of `datasets` wrote, or "hub:OWNER/NAME"; "file.py:function" or "module:function" that
            returns a tf.data.Dataset. A relative path is taken from the scenario's folder.
        split: of a data set of `datasets`, such as "train".
        column: name of an array or column beside them that tells whose each example is; for the partition "column".
            In a folder of pictures: the sub-folders are whose, and those within them the labels.
        columns: where a column has another name than the plan's tensor that it holds: the column's name by the
            tensor's, such as {x = "image", y = "label"}.
        most_bytes: what the examples may come to in memory.
    """

    source: str = "data.npz"
    split: str | None = None
    column: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = 8 * 2**30

    def __post_init__(self) -> None:
        _need(bool(self.source), "data", "source", "must not be empty")
        _need(self.most_bytes >= 1, "data", "most_bytes", "must be at least 1")
        _need(all(self.columns.values()), "data", "columns", "must not name a column by nothing")


@dataclass(frozen=True, slots=True)
class PartitionSettings:
    """How the examples are spread over the devices.

    Attributes:
        kind: "iid": equal parts of a shuffle; "dirichlet": each label is spread by shares that are drawn (Yurochkin et
            al. 2019; where devices draw: Hsu, Qi and Brown 2019); "shards": sorted by label and cut, some shards a
            device (McMahan et al. 2017); "quantity": a shuffle cut into parts of very different sizes (Li et al.
            2022); "column": a device for each value of `data.column`.
        devices: how many; with "column" as many as there are values.
        labels: name of the tensor that holds the labels, integers or one-hot, for "dirichlet" and "shards"; default:
            the last one of the plan's example tensors.
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
class EngineSettings:
    """What runs the devices. Only another trainer changes the result.

    Attributes:
        kind: "processes": processes of this machine; "ray": actors on the nodes of a Ray cluster, with the extra `ray`.
        workers: processes or actors that train.
        ray_address: "HOST:PORT" of the cluster's head, or "auto" where `ray start` has made this machine a part of one;
            default: Ray is started on this machine, and stopped in the end.
        transport: how devices reach the aggregator: "memory": calls within this process; "grpc": what ships, over a
            socket of this machine, slower.
        trainer: "module:name" of a callable without arguments that makes each worker's `fieldfare.sdk.LocalTrainer`;
            the default is what devices run.
        checkpoint_every: after the first round that ends so long after the last checkpoint, another one is written,
            from which `--resume` goes on; 0 for each round.
    """

    kind: EngineKind = "processes"
    workers: int = 2
    ray_address: str | None = None
    transport: TransportKind = "memory"
    trainer: str = "fieldfare.sdk.training:LiteRtTrainer"
    checkpoint_every: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        _need(_TRAINER.fullmatch(self.trainer) is not None, "engine", "trainer", 'must be written "module:name"')
        _need(self.ray_address is None or self.kind == "ray", "engine", "ray_address", 'is for the kind "ray"')
        _need(1 <= self.workers <= 1024, "engine", "workers", "must be 1 to 1024")  # noqa: PLR2004
        longest = timedelta(days=1)
        _need(timedelta(0) <= self.checkpoint_every <= longest, "engine", "checkpoint_every", "must be 0 to 1d")
