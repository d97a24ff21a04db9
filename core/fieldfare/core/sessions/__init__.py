"""One device's participation as a generator of actions; a shell carries them out over any transport.

A shell looks like this; `fieldfare.sdk` has the one that ships:

    session = participate(identity, weights_of, kept=None, now=now, uniform=random)
    action = next(session)
    while True:
        try:
            action = session.send(carry_out(action))      # or session.throw(error)
        except StopIteration as stop:
            return stop.value                             # a Participation
"""

from fieldfare.core.sessions._actions import (
    Action,
    AskReceipt,
    CheckIn,
    Ended,
    FetchArtifact,
    Forget,
    Keep,
    KeepControl,
    KeptReport,
    Participation,
    Send,
    Session,
    Wait,
    Work,
    WorkResult,
)
from fieldfare.core.sessions._assignment import Artifact, Assignment, read_assignment
from fieldfare.core.sessions._participate import DEVICE_ID_BYTES, DeviceIdentity, participate
from fieldfare.core.sessions._retrying import RetrySettings

__all__ = [
    "DEVICE_ID_BYTES",
    "Action",
    "Artifact",
    "AskReceipt",
    "Assignment",
    "CheckIn",
    "DeviceIdentity",
    "Ended",
    "FetchArtifact",
    "Forget",
    "Keep",
    "KeepControl",
    "KeptReport",
    "Participation",
    "RetrySettings",
    "Send",
    "Session",
    "Wait",
    "Work",
    "WorkResult",
    "participate",
    "read_assignment",
]
