"""The devices as the emulation sees them: who is free and available, and how long work takes them."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.encodings import encoded_bytes
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import Ticket
from fieldfare.core.tasks import Algorithm, NextRound
from fieldfare.core.weights import total_size
from fieldfare.emulator.devices import Behaviour, Load
from fieldfare.emulator.partition import Partition
from fieldfare.emulator.simulation._flights import Fate, Flight, artifacts_of
from fieldfare.protos.v1 import aggregator_pb2

# Header, metrics and trailer of a report; a tenth of a percent of a small model's update.
_FRAME_BYTES = 400
_DRAWN = 4096
_NEVER = (1.0, 1.0)
_TRAINING = NextRound.TRAINING.value


class EmulatedFleet:
    """All devices of an emulation.

    Args:
        behaviour: what they are like.
        fit: `(devices,)` bool: who is ever asked.
        partition: how many examples each has.
        manifest: of the task's plan.
        dropout: share of assignments after which nothing more is heard.
        seed: of identities and of what drops out.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        fit: NDArray[np.bool_],
        partition: Partition,
        manifest: Manifest,
        *,
        dropout: float,
        seed: int,
    ) -> None:
        self._behaviour, self._fit, self._partition = behaviour, fit, partition
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

    def memory_bytes(self, device: int) -> int:
        """What it says of itself at check-in."""
        return int(self._behaviour.memory_bytes[device])

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
            asked = self._behaviour.availability.at(now, drawn) & self._fit[drawn] & ~self._busy[drawn]
            yield from drawn[asked].tolist()
        free = self._behaviour.availability.at(now) & self._fit & ~self._busy
        free[drawn] = False
        yield from rng.permutation(np.flatnonzero(free)).tolist()

    def next_available(self, now: datetime) -> datetime | None:
        """When somebody becomes available who is not so now; None for never."""
        return self._behaviour.availability.next_begin(now, self._fit)

    def depart(
        self, number: int, device: int, answer: aggregator_pb2.CheckInResponse, ticket: Ticket, now: datetime
    ) -> Flight:
        """The device takes the assignment; what becomes of it is drawn here."""
        assignment = answer.assignment
        fetches_plan = not self._has_plan[device]
        artifacts = artifacts_of(assignment, with_plan=fetches_plan)
        down, up = sum(one.size_bytes for one in artifacts), self._report_bytes(assignment)
        load = Load(down, self._passes(device, assignment), assignment.kind == _TRAINING, up)
        course = self._behaviour.course(device, now, load)
        took = course.takes
        # Making a generator takes as long as all the rest here.
        chance = np.random.default_rng([self._seed, 5, number]).random(2) if self._dropout else _NEVER
        fate, left = Fate.REPORTS, self._behaviour.availability.left(device, now)
        if chance[0] < self._dropout:
            fate, took = Fate.DROPS, took * float(chance[1])
        if left < took:
            fate, took = Fate.LEAVES, left
        spent = self._behaviour.spent(device, course, took)
        self._busy[device] = True
        self._has_plan[device] |= spent.download == course.download
        return Flight(
            number=number,
            device=device,
            assignment=assignment,
            answer=answer.SerializeToString(),
            ticket=ticket,
            began=now,
            ends=now + took,
            fate=fate,
            fetches_plan=fetches_plan,
            bytes_up=up,
            compute=spent.work,
            transfer=spent.download + spent.upload,
            energy_j=spent.energy_j,
        )

    def land(self, flight: Flight) -> None:
        """The device is free again."""
        self._busy[flight.device] = False

    def _passes(self, device: int, assignment: aggregator_pb2.Assignment) -> int:
        """Examples to work through, each pass counted."""
        local = assignment.local
        if assignment.kind != _TRAINING:
            return int(self._partition.held_out[device])
        examples = min(int(self._training[device]), local.max_examples)
        passes = examples if assignment.algorithm == Algorithm.DSGD.value else examples * local.epochs
        if local.max_steps:
            batch = local.batch_size or self._manifest.batch_size
            passes = min(passes, local.max_steps * batch)
        return passes

    def _report_bytes(self, assignment: aggregator_pb2.Assignment) -> int:
        if assignment.kind != _TRAINING:
            return _FRAME_BYTES
        vectors = Algorithm(assignment.algorithm).vectors
        return _FRAME_BYTES + vectors * encoded_bytes(assignment.encoding, total_size(self._manifest.weight_specs))
