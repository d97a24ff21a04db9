"""A device whose disk is full: a clear error, a clear state, and the work later."""

import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import StorageError
from fieldfare.core.sessions import Ended, Participation
from fieldfare.sdk.device import DeviceFolder
from tests.integration.end_to_end.network.setting import line
from tests.support.small_disk import small_disk

__all__ = ["small_disk"]


def test_a_disk_without_room_for_the_plan_puts_the_work_off(tmp_path: Path, small_disk: Path) -> None:
    with line(tmp_path) as one, ExitStack() as stack:
        one.member.folder = small_disk / "device"
        device = one.member.device(stack, "p")
        photos = small_disk / "photos"
        photos.write_bytes(bytes(7 * 2**20))
        with pytest.raises(StorageError, match=r"lacks room for \d+ bytes more: free some"):
            device.run_once()
        assert one.fetched() == []
        # As a service it waits a minute and tries again.
        seen: list[Participation] = []
        device.run_forever(threading.Event(), seen.append, idle_after=timedelta(milliseconds=50))
        assert seen[0].ended is Ended.UNREACHABLE
        assert seen[0].come_back_after == timedelta(minutes=1)
        photos.unlink()
        assert device.run_once(early=True).ended is Ended.COUNTED
        assert DeviceFolder(one.member.folder).outbox.is_empty
        one.check()
