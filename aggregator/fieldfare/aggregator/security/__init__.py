"""Who may call: certificates, enrolment of devices, credentials of administrators.

Where things are:
    enrollment      one-time keys, access tokens, revocation
    administrators  credentials and roles
    certificates    TLS, renewed without a restart
    posture         what a configuration allows, and what is said aloud of it
    publishers      whose plans are taken
    protection      all of it, put together at a start

What stands before the services and applies this is `fieldfare.aggregator.service.guards`.
"""

from fieldfare.aggregator.security.administrators import Administrators
from fieldfare.aggregator.security.certificates import server_credentials
from fieldfare.aggregator.security.enrollment import Enrollment
from fieldfare.aggregator.security.posture import Posture, check_posture
from fieldfare.aggregator.security.protection import Protection

__all__ = [
    "Administrators",
    "Enrollment",
    "Posture",
    "Protection",
    "check_posture",
    "server_credentials",
]
