"""The devices as the emulation sees them: who is free and available, and how long work takes them."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import Ticket
from fieldfare.core.tasks import Algorithm, NextRound
from fieldfare.core.weights import total_size
from fieldfare.emulator.devices import Availability, Traits
from fieldfare.emulator.partition import Partition
from fieldfare.emulator.simulation._flights import Fate, Flight, split_time
from fieldfare.protos.v1 import aggregator_pb2

# Header, metrics and trailer of a report; a tenth of a percent of a small model's update.
_FRAME_BYTES = 400
_DRAWN = 4096
_TRAINING = NextRound.TRAINING.value


class EmulatedFleet:
    """All devices of an emulation.

    Args:
        traits: speed and bandwidths.
        availability: when they can work.
        partition: how many examples each has.
        manifest: of the task's plan.
        dropout: share of assignments after which nothing more is heard.
        seed: of identities and of what drops out.
    """

    def __init__(
        self,
        traits: Traits,
        availability: Availability,
        partition: Partition,
        manifest: Manifest,
        *,
        dropout: float,
        seed: int,
    ) -> None:
        self._traits, self._availability, self._partition = traits, availability, partition
        self._manifest, self._dropout, self._seed = manifest, dropout, seed
        self._training = partition.training
        self._busy = np.zeros(partition.devices, np.bool_)
        self._has_plan = np.zeros(partition.devices, np.bool_)

    @property
    def has_plan(self) -> bytes:
        """One bit a device, the first one highest: whether it has the plan."""
        return np.packbits(self._has_plan).tobytes()

    def restore(self, has_plan: bytes, flights: Iterable[Flight]) -> None:
        """Go on where another emulation stood.

        Args:
            has_plan: as `has_plan` gave it; empty for nobody.
            flights: who is at work.
        """
        bits = np.frombuffer(has_plan.ljust(-(-self._partition.devices // 8), b"\0"), np.uint8)
        self._has_plan = np.unpackbits(bits, count=self._partition.devices).astype(np.bool_)
        self._busy[:] = False
        for flight in flights:
            self._busy[flight.device] = True

    def device_id(self, device: int) -> bytes:
        """16 bytes, the same in every emulation with this seed."""
        return hashlib.sha256(f"{self._seed}/{device}".encode()).digest()[:16]

    def offered(self, now: datetime, rng: np.random.Generator) -> Iterator[int]:
        """Who is available and not at work, in an order that is drawn.

        Args:
            now: the emulated present.
            rng: draws. Of a large fleet a few are drawn and looked at first, since few are asked for as a rule.
        """
        drawn: NDArray[np.intp] = np.empty(0, np.intp)
        if self._partition.devices > _DRAWN:
            drawn = np.array(list(dict.fromkeys(rng.integers(0, self._partition.devices, _DRAWN).tolist())), np.intp)
            yield from drawn[self._availability.at(now, drawn) & ~self._busy[drawn]].tolist()
        free = self._availability.at(now) & ~self._busy
        free[drawn] = False
        yield from rng.permutation(np.flatnonzero(free)).tolist()

    def depart(
        self, number: int, device: int, answer: aggregator_pb2.CheckInResponse, ticket: Ticket, now: datetime
    ) -> Flight:
        """The device takes the assignment; what becomes of it is drawn here."""
        assignment = answer.assignment
        artifacts = [assignment.checkpoint]
        if assignment.HasField("control"):
            artifacts.append(assignment.control)
        if not self._has_plan[device]:
            artifacts.append(assignment.plan)
        down, up = sum(one.size_bytes for one in artifacts), self._report_bytes(assignment)
        work = self._work(device, assignment)
        parts = self._traits.download(device, down), work, self._traits.upload(device, up)
        took = sum(parts, timedelta(0))
        chance = np.random.default_rng([self._seed, 5, number]).random(2)
        fate, left = Fate.REPORTS, self._availability.left(device, now)
        if chance[0] < self._dropout:
            fate, took = Fate.DROPS, took * float(chance[1])
        if left < took:
            fate, took = Fate.LEAVES, left
        self._busy[device] = True
        self._has_plan[device] = True
        compute, transfer = split_time(*parts, took)
        told = answer.SerializeToString()
        return Flight(number, device, assignment, told, ticket, now, now + took, fate, down, up, compute, transfer)

    def land(self, flight: Flight) -> None:
        """The device is free again."""
        self._busy[flight.device] = False

    def _work(self, device: int, assignment: aggregator_pb2.Assignment) -> timedelta:
        local = assignment.local
        if assignment.kind != _TRAINING:
            return self._traits.compute(device, int(self._partition.held_out[device]), training=False)
        examples = min(int(self._training[device]), local.max_examples)
        passes = examples if assignment.algorithm == Algorithm.DSGD.value else examples * local.epochs
        if local.max_steps:
            batch = local.batch_size or self._manifest.batch_size
            passes = min(passes, local.max_steps * batch)
        return self._traits.compute(device, passes, training=True)

    def _report_bytes(self, assignment: aggregator_pb2.Assignment) -> int:
        if assignment.kind != _TRAINING:
            return _FRAME_BYTES
        vectors = Algorithm(assignment.algorithm).vectors
        return _FRAME_BYTES + vectors * encoded_bytes(assignment.encoding, total_size(self._manifest.weight_specs))
