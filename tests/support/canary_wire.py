"""An aggregator whose every byte is seen: on the wire, taken out of TLS, in its folder, in the log."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import SecuritySettings
from fieldfare.core.rounds import PaceSettings
from tests.support.canaries import Needles, search, unpacked
from tests.support.certificates import Authority
from tests.support.recording_proxy import RecordingProxy, Tls, bodies, headers

PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)))
_SURE = 8
"""Shorter forms turn up in random bytes now and then."""


@dataclass
class Folder:
    """Everything that was ever seen in the files of a folder."""

    path: Path
    seen: dict[str, bytes] = field(default_factory=dict)

    def look(self) -> None:
        # os.walk passes over folders that the aggregator removes meanwhile; rglob raises there.
        for file in (Path(folder) / name for folder, _, names in os.walk(self.path) for name in names):
            try:
                content = file.read_bytes() if file.is_file() else b""
            except FileNotFoundError:
                continue  # a snapshot that was committed in this moment
            self.seen[f"{file.relative_to(self.path)} {hashlib.sha256(content).hexdigest()[:8]}"] = content


@dataclass
class Wire:
    """An aggregator behind proxies that record.

    Attributes:
        aggregator: with its administration on a plain port of loopback.
        address: where devices go.
        ca: the authority that they trust; None where the connection is plain.
        plain: records what TLS hides, or all there is.
        outside: records the bytes as they are on the wire, where that is TLS.
        state: the aggregator's folder.
    """

    aggregator: Aggregator
    address: str
    ca: Path | None
    plain: RecordingProxy
    outside: RecordingProxy | None
    state: Folder

    def key(self, population: str) -> str:
        """A one-time key, where devices have to enrol."""
        if self.ca is None:
            return ""
        with AdminClient(self.aggregator.admin_address) as admin:
            return admin.create_keys(population, 1, timedelta(hours=1))[0]

    def haystacks(self, logs: str) -> dict[str, bytes]:
        """All that can be read, and what is packed in it."""
        found = {"logs": logs.encode()}
        for number, connection in enumerate(self.plain.connections):
            for direction, content in (("up", bytes(connection.up)), ("down", bytes(connection.down))):
                found[f"connection {number} {direction}, raw"] = content
                found[f"connection {number} {direction}, headers"] = headers(content)
                for stream, body in bodies(content).items():
                    found[f"connection {number} {direction}, stream {stream}"] = body
        self.state.look()
        found |= {f"state: {name}": content for name, content in self.state.seen.items()}
        return found | unpacked(found)

    def found(self, wanted: Needles, logs: str) -> list[str]:
        """Where something is that should not be."""
        outside = {} if self.outside is None else {"TLS": self.outside.up() + self.outside.down()}
        sure = {what: form for what, form in wanted.items() if len(form) >= _SURE}
        return search(wanted, self.haystacks(logs)) + search(sure, outside)


@contextmanager
def plain_wire(folder: Path) -> Iterator[Wire]:
    """Without TLS: to this machine only."""
    with Aggregator(folder / "state", settings=PACE) as aggregator, RecordingProxy(aggregator.address) as proxy:
        yield Wire(aggregator, proxy.address, None, proxy, None, Folder(folder / "state"))


@contextmanager
def tls_wire(folder: Path) -> Iterator[Wire]:
    """With TLS, and enrolment with one-time keys: as beyond this machine."""
    authority = Authority(folder)
    pair = authority.issue("server")
    security = SecuritySettings(tls_cert=pair.cert, tls_key=pair.key, enrollment="required")
    with (
        Aggregator(folder / "state", settings=replace(PACE, security=security)) as aggregator,
        RecordingProxy(aggregator.address, tls=Tls.of(authority.ca, pair.cert, pair.key)) as plain,
        RecordingProxy(plain.address) as outside,
    ):
        # An address of digits would be this machine, where a connection is plain.
        address = outside.address.replace("127.0.0.1", "localhost")
        yield Wire(aggregator, address, authority.ca, plain, outside, Folder(folder / "state"))
