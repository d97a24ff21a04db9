"""Where an emulation stands after a round: all that a process needs to go on with it."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fieldfare.core.rounds import Ticket
from fieldfare.emulator.simulation._clock import BEGINNING
from fieldfare.emulator.simulation._controls import Settlement
from fieldfare.emulator.simulation._flights import Fate, Flight
from fieldfare.protos.v1 import aggregator_pb2

ReadTicket = Callable[[aggregator_pb2.Assignment, int], Ticket]
"""Opens the ticket of an assignment that a device holds."""


@dataclass(frozen=True, slots=True)
class SimulationState:
    """The beginning, where nothing else is said.

    Attributes:
        now: emulated present.
        departed: assignments given so far.
        draws: selections made so far.
        abandoned: rounds that were abandoned since one was committed.
        has_plan: one bit a device, the first one highest: whether it has the plan; empty for nobody.
        flights: devices at work.
        silent: devices that dropped out, and whom the aggregator may still wait for.
        settling: SCAFFOLD: reports of the round that has just ended, by their flights' numbers.
    """

    now: datetime = BEGINNING
    departed: int = 0
    draws: int = 0
    abandoned: int = 0
    has_plan: bytes = b""
    flights: Sequence[Flight] = ()
    silent: Sequence[Flight] = ()
    settling: Mapping[int, Settlement] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "now": self.now.isoformat(),
            "departed": self.departed,
            "draws": self.draws,
            "abandoned": self.abandoned,
            "has_plan": _text(self.has_plan),
            "flights": [_flight_to_json(one) for one in self.flights],
            "silent": [_flight_to_json(one) for one in self.silent],
            "settling": {str(number): asdict(one) for number, one in self.settling.items()},
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], read_ticket: ReadTicket) -> "SimulationState":
        """The same again.

        Args:
            tree: what `to_json` made.
            read_ticket: of the aggregator.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_json` made.
        """
        return cls(
            now=datetime.fromisoformat(tree["now"]),
            departed=int(tree["departed"]),
            draws=int(tree["draws"]),
            abandoned=int(tree["abandoned"]),
            has_plan=base64.b64decode(tree["has_plan"], validate=True),
            flights=[_flight_from_json(one, read_ticket) for one in tree["flights"]],
            silent=[_flight_from_json(one, read_ticket) for one in tree["silent"]],
            settling={int(number): Settlement(**one) for number, one in tree["settling"].items()},
        )


def _flight_to_json(one: Flight) -> dict[str, Any]:
    return {
        "number": one.number,
        "device": one.device,
        "answer": _text(one.answer),
        "began": one.began.isoformat(),
        "ends": one.ends.isoformat(),
        "fate": one.fate.name,
        "fetches_plan": one.fetches_plan,
        "bytes_up": one.bytes_up,
        "compute_s": one.compute.total_seconds(),
        "transfer_s": one.transfer.total_seconds(),
        "energy_j": one.energy_j,
    }


def _flight_from_json(tree: Mapping[str, Any], read_ticket: ReadTicket) -> Flight:
    answer = base64.b64decode(tree["answer"], validate=True)
    assignment = aggregator_pb2.CheckInResponse.FromString(answer).assignment
    return Flight(
        number=int(tree["number"]),
        device=int(tree["device"]),
        assignment=assignment,
        answer=answer,
        ticket=read_ticket(assignment, int(tree["device"])),
        began=datetime.fromisoformat(tree["began"]),
        ends=datetime.fromisoformat(tree["ends"]),
        fate=Fate[tree["fate"]],
        fetches_plan=bool(tree["fetches_plan"]),
        bytes_up=int(tree["bytes_up"]),
        compute=timedelta(seconds=tree["compute_s"]),
        transfer=timedelta(seconds=tree["transfer_s"]),
        energy_j=float(tree["energy_j"]),
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
