"""What runs on a node: one `DeviceWorker`, with a folder of its own for what it is sent."""

import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import ray

from fieldfare.core.plans import runtime_version
from fieldfare.emulator.workers import DeviceWorker, Done, FleetArrays, Order, WorkerSettings


def versions() -> dict[str, str]:
    """What the bits of a result may depend on."""
    return {
        "fieldfare": metadata.version("fieldfare"),
        "LiteRT": runtime_version(),
        "NumPy": metadata.version("numpy"),
        "machine": platform.machine(),
    }


@dataclass(frozen=True, slots=True)
class Parcel:
    """What changes in an actor's folder before it carries out an order.

    Attributes:
        new: plans and checkpoints by the hexadecimal digest of their content, each as a Ray object that holds bytes.
        gone: digests that it does not need any more.
    """

    new: Mapping[str, Any]
    gone: Sequence[str]


class DeviceActor:
    """Made on a node by Ray; its calls come one after the other, in the order in which they were made.

    Args:
        settings: what every worker is told; its folders are those of the machine that asks, and are not looked at.
        arrays: the fleet's examples, as Ray objects; they lie in the node's memory, once for all actors there.
    """

    def __init__(self, settings: WorkerSettings, arrays: "ArraysElsewhere") -> None:
        self._settings, self._elsewhere = settings, arrays
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._worker: DeviceWorker | None = None

    def open(self) -> dict[str, str]:
        """Get ready.

        Returns:
            What runs here.

        Raises:
            ConfigError: there is no such trainer.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="fieldfare-", ignore_cleanup_errors=True)
        settings = replace(self._settings, artifacts=Path(self._folder.name))
        self._worker = DeviceWorker(settings, self._elsewhere.fetch())
        return versions()

    def carry_out(self, order: Order, parcel: Parcel) -> Done:
        """See `DeviceWorker.carry_out`; called after `open`."""
        if self._folder is None or self._worker is None:
            raise RuntimeError("the actor was not opened")
        folder = Path(self._folder.name)
        for digest in parcel.gone:
            (folder / digest).unlink()
        for digest, content in parcel.new.items():
            (folder / digest).write_bytes(ray.get(content))
        return self._worker.carry_out(order)

    def close(self) -> None:
        """Remove what it was sent."""
        if self._folder is not None:
            self._folder.cleanup()


@dataclass(frozen=True, slots=True)
class ArraysElsewhere:
    """The fleet's examples in Ray's object store.

    Attributes:
        tensors: see `FleetArrays`; each is a Ray object.
        partition: the same.
    """

    tensors: tuple[Any, ...]
    partition: Any

    @classmethod
    def put(cls, arrays: FleetArrays) -> "ArraysElsewhere":
        """Put them there, from where every node gets them once."""
        return cls(tuple(ray.put(one) for one in arrays.tensors), ray.put(arrays.partition))

    def fetch(self) -> FleetArrays:
        """Have them in this node's memory: read only, and shared with the node's other actors."""
        return FleetArrays(tuple(ray.get(list(self.tensors))), ray.get(self.partition))
