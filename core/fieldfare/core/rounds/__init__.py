"""One round as a state machine, the tickets that authenticate reports, and pace steering."""

from fieldfare.core.rounds._distinct import DistinctDevices
from fieldfare.core.rounds._pace import PaceSettings, come_back_after, go_on_after
from fieldfare.core.rounds._round import Decision, Round, RoundState, Verdict
from fieldfare.core.rounds._ticket import TICKET_KEY_BYTES, Ticket, open_ticket, seal_ticket

__all__ = [
    "TICKET_KEY_BYTES",
    "Decision",
    "DistinctDevices",
    "PaceSettings",
    "Round",
    "RoundState",
    "Ticket",
    "Verdict",
    "come_back_after",
    "go_on_after",
    "open_ticket",
    "seal_ticket",
]
