"""How a device becomes a member of a population, and proves it with every call."""

from fieldfare.sdk.enrollment._authorized import AuthorizedTransport
from fieldfare.sdk.enrollment._enroll import enroll
from fieldfare.sdk.enrollment._membership import Member, Membership

__all__ = ["AuthorizedTransport", "Member", "Membership", "enroll"]
