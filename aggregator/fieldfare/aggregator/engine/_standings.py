"""What a task's memory alone can tell of a report. The caller holds the lock that guards the open round."""

from fieldfare.aggregator.engine._answers import Standing
from fieldfare.aggregator.engine._open_round import OpenRound
from fieldfare.aggregator.engine._versions import Versions
from fieldfare.core.rounds import Buffer, Ticket


def standing_in(current: OpenRound | None, ticket: Ticket) -> Standing | None:
    """What the open round alone can tell; None where it cannot."""
    if current is None:
        return None
    number = current.earlier.get(ticket.device_id, current.number)
    if number == ticket.round_number and current.machine.has_report_of(ticket.device_id):
        acknowledged = current.machine.is_acknowledged(ticket.device_id)
        return Standing.COUNTED if acknowledged else Standing.IN_MEMORY
    if current.number != ticket.round_number or current.machine.has_report_of(ticket.device_id):
        return None
    if current.shared is None:
        return Standing.ABSENT
    return Standing.IN_MEMORY if ticket.device_id in current.shared.elsewhere.pending else None


def standing_later(current: OpenRound | None, ticket: Ticket, versions: Versions, version: int) -> Standing:
    """Of a report that no round has counted that is over, and that is not in the open one.

    Args:
        current: the open round.
        ticket: the report's.
        versions: of the task's last rounds.
        version: of the newest checkpoint.
    """
    if not versions.counts_later(ticket) or versions.staleness(ticket.round_number, version) is None:
        return Standing.GONE
    if current is None or not isinstance(current.machine, Buffer):
        return Standing.WAITING
    # Another report of the device is in this buffer, in which it counts once.
    return Standing.WAITING if current.machine.has_report_of(ticket.device_id) else Standing.ABSENT


def takes(current: OpenRound, ticket: Ticket, versions: Versions) -> bool:
    """Whether the ticket's report may count into the open round."""
    if current.number == ticket.round_number or not versions.counts_later(ticket):
        return current.number == ticket.round_number
    stale = versions.staleness(ticket.round_number, current.record.checkpoint_version)
    return stale is not None and not current.machine.has_report_of(ticket.device_id)
