"""The outbox: a report is whole on disk or not there, and damage is no crash loop."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldfare.core.errors import StorageError
from fieldfare.core.sessions import KeptReport
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.outbox import Outbox


def report(payload: bytes = b"\x01\x02\x03\x04") -> KeptReport:
    header = aggregator_pb2.ReportHeader(ticket=b"t", device_id=b"d" * 16, example_count=5, payload_bytes=len(payload))
    return KeptReport(header, payload, "täsk", 7, datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC))


def test_keep_read_forget(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    assert outbox.read() is None
    assert outbox.is_empty
    outbox.keep(report())
    assert Outbox(tmp_path / "outbox").read() == report()
    assert not outbox.is_empty
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o600
    outbox.keep(report(b""))
    assert outbox.read() == report(b"")
    outbox.forget()
    outbox.forget()
    assert outbox.read() is None
    assert list(tmp_path.iterdir()) == []


def test_damage_anywhere_drops_the_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "outbox"
    outbox = Outbox(path)
    outbox.keep(report())
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    damaged.append(whole + b"x")
    for content in damaged:
        path.write_bytes(content)
        assert outbox.read() is None
        assert not path.exists()
    assert "damaged" in caplog.text


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*outbox"):
        Outbox(tmp_path / "gone" / "outbox").keep(report())
