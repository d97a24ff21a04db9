"""Signature and digest first: nothing that is not the assignment's plan is parsed, loaded or run.

The functions that parse and load are watched as Python calls them, so a new way to them would show, too.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import NotFoundError, ProtocolError
from fieldfare.core.sessions import Ended
from fieldfare.core.signing import public_key_of, sign_plan
from fieldfare.core.weights import pack_weights, sha256
from fieldfare.sdk.device import DeviceFolder
from tests.support.device_bench import CHECKPOINT, MANIFEST, Bench
from tests.support.tiny_plan import tiny_plan

PUBLISHER, STRANGER = bytes(31) + b"p", bytes(31) + b"s"
READERS = {"read_manifest", "_find", "PlanRuntime.__init__", "LiteRtTrainer.load", "unpack_weights"}
"""What looks into a plan or a checkpoint."""


@contextmanager
def looks() -> Iterator[set[str]]:
    """Which of the readers are called in this thread."""
    seen: set[str] = set()

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_qualname in READERS:
            seen.add(frame.f_code.co_qualname)

    sys.setprofile(profile)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def signed(seed: bytes, plan: bytes | None = None) -> dict[str, Any]:
    return {"plan_signatures": [sign_plan(seed, sha256(plan or tiny_plan()))]}


def another_plan() -> bytes:
    """A good plan of the same length, but for its digest: the last byte lies behind the model."""
    return tiny_plan()[:-1] + bytes([tiny_plan()[-1] ^ 1])


def test_a_good_plan_is_looked_into(bench: Bench) -> None:
    """So the watch of the other tests does see."""
    bench.offer(**signed(PUBLISHER))
    with looks() as seen:
        assert bench.once(trusted_publishers=[public_key_of(PUBLISHER)]).ended is Ended.COUNTED
    assert seen == READERS


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("part", [0, 5000])
def test_other_content_than_the_digest_says(bench: Bench, trusting: bool, part: int) -> None:
    """Also where a download is resumed, and where a trusted publisher signed what was announced."""
    bench.offer(**signed(PUBLISHER))
    bench.aggregator.artifacts[sha256(tiny_plan())] = another_plan()
    if part:
        (bench.folder / "cache").mkdir(parents=True)
        (bench.folder / "cache" / f"{sha256(tiny_plan()).hex()}.part").write_bytes(tiny_plan()[:part])
    publishers = [public_key_of(PUBLISHER)] if trusting else []
    with looks() as seen, pytest.raises(ProtocolError, match="does not have that digest"):
        bench.once(trusted_publishers=publishers)
    assert seen == set()
    assert list((bench.folder / "cache").iterdir()) == []
    assert DeviceFolder(bench.folder).current is None


def test_a_checkpoint_that_is_another_one(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.artifacts[sha256(CHECKPOINT)] = pack_weights(MANIFEST.weight_specs, np.float32([9, 9]))
    with looks() as seen, pytest.raises(ProtocolError, match="does not have that digest"):
        bench.once()
    assert seen == set()


@pytest.mark.parametrize("signatures", [{}, signed(STRANGER), signed(PUBLISHER, b"another plan")])
def test_a_plan_that_nobody_trusted_has_signed(bench: Bench, signatures: dict[str, Any]) -> None:
    bench.offer(**signatures)
    with looks() as seen:
        assert bench.once(trusted_publishers=[public_key_of(PUBLISHER)]).ended is Ended.WITHDRAWN
    assert seen == set()
    assert bench.aggregator.fetches == []


def test_a_plan_in_the_cache_is_not_trusted_for_being_there(bench: Bench) -> None:
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    bench.offer()
    with looks() as seen:
        assert bench.once(trusted_publishers=[public_key_of(PUBLISHER)]).ended is Ended.WITHDRAWN
    assert seen == set()


def test_a_cached_file_that_was_changed_on_disk(bench: Bench) -> None:
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    cached = bench.folder / "cache" / sha256(tiny_plan()).hex()
    cached.write_bytes(another_plan())
    with bench.device() as device, looks() as seen, pytest.raises(NotFoundError, match="were damaged"):
        device.predict({"x": np.float32([[2]])})
    assert seen == set()
    assert not cached.exists()
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    assert cached.read_bytes() == tiny_plan()


def test_a_size_that_is_not_the_contents(bench: Bench) -> None:
    bench.offer().plan.size_bytes -= 1
    with looks() as seen, pytest.raises(ProtocolError, match="that were not asked for"):
        bench.once()
    assert seen == set()


def test_the_digest_is_of_the_whole_file(bench: Bench) -> None:
    """A plan with something behind it is another plan."""
    bench.offer().plan.size_bytes += 8
    bench.aggregator.artifacts[sha256(tiny_plan())] = tiny_plan() + b"and more"
    with looks() as seen, pytest.raises(ProtocolError, match="does not have that digest"):
        bench.once()
    assert seen == set()
