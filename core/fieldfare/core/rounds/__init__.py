"""One round as a state machine, the tickets that authenticate reports, and pace steering."""

from fieldfare.core.rounds._buffer import Buffer
from fieldfare.core.rounds._distinct import DistinctDevices
from fieldfare.core.rounds._pace import PaceSettings, come_back_after, go_on_after
from fieldfare.core.rounds._round import Decision, Round, RoundState, Verdict
from fieldfare.core.rounds._shared_round import Elsewhere, SharedRound, block_size
from fieldfare.core.rounds._ticket import TICKET_KEY_BYTES, Ticket, open_ticket, seal_ticket

__all__ = [
    "TICKET_KEY_BYTES",
    "Buffer",
    "Decision",
    "DistinctDevices",
    "Elsewhere",
    "PaceSettings",
    "Round",
    "RoundState",
    "SharedRound",
    "Ticket",
    "Verdict",
    "block_size",
    "come_back_after",
    "go_on_after",
    "open_ticket",
    "seal_ticket",
]
