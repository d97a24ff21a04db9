"""Plans and checkpoints on their way to the nodes: each put into the object store once, each sent to an actor once."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import ray

from fieldfare.emulator.cluster._actor import Parcel
from fieldfare.emulator.workers import Order
from fieldfare.protos.v1 import aggregator_pb2

_KEPT = 8


class ObjectStore:
    """The artifacts of a run as Ray objects; those that were not asked for lately are let go, and put again at need.

    Args:
        folder: in which they lie, under the hexadecimal digest of their content.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects: OrderedDict[str, Any] = OrderedDict()

    def get(self, digest: str) -> Any:
        """The Ray object that holds the artifact's bytes."""
        if digest not in self._objects:
            self._objects[digest] = ray.put((self._folder / digest).read_bytes())
        self._objects.move_to_end(digest)
        while len(self._objects) > _KEPT:
            self._objects.popitem(last=False)
        return self._objects[digest]


class Sent:
    """What one actor has of a run's artifacts: no more than a few."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()

    def parcel(self, order: Order, store: ObjectStore) -> Parcel:
        """What has to be sent with an order, and what may be thrown away before it."""
        needed = _digests(order)
        new = {one: store.get(one) for one in needed if one not in self._digests}
        for one in needed:
            self._digests[one] = None
            self._digests.move_to_end(one)
        gone = [self._digests.popitem(last=False)[0] for _ in range(len(self._digests) - _KEPT)]
        return Parcel(new, gone)


def _digests(order: Order) -> list[str]:
    given = aggregator_pb2.CheckInResponse.FromString(order.answer).assignment
    refs = [given.plan, given.checkpoint, *([given.control] if given.HasField("control") else [])]
    return [one.sha256.hex() for one in refs]
