"""The cache: downloads resume wherever they broke, and what is in it has been checked."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldfare.core.errors import ProtocolError, StorageError, TransportError
from fieldfare.core.sessions import Artifact
from fieldfare.core.weights import sha256
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.cache import ArtifactCache
from tests.support.small_disk import small_disk

__all__ = ["small_disk"]


def artifact_of(content: bytes) -> Artifact:
    return Artifact(sha256(content), len(content))


class Peer:
    """Serves `content`; each download breaks after as many bytes as the next number in `breaks` says."""

    def __init__(self, content: bytes, breaks: list[int] | None = None, chunk: int = 7) -> None:
        self.content, self.breaks, self.chunk = content, list(breaks or []), chunk
        self.offsets: list[int] = []

    def __call__(self, offset: int) -> Iterator[aggregator_pb2.ArtifactChunk]:
        self.offsets.append(offset)
        left = self.breaks.pop(0) if self.breaks else len(self.content)
        position = offset
        while position < len(self.content):
            data = self.content[position : position + min(self.chunk, left)]
            if not data:
                raise TransportError("broken")
            yield aggregator_pb2.ArtifactChunk(offset=position, data=data)
            position += len(data)
            left -= len(data)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(min_size=1, max_size=200), breaks=st.lists(st.integers(0, 60), max_size=6))
def test_a_download_that_breaks_anywhere_resumes_where_it_broke(tmp_path_factory, content, breaks) -> None:
    folder = tmp_path_factory.mktemp("cache")
    peer, fails = Peer(content, breaks), 0
    while True:
        try:
            # A new object each time: as after a kill.
            path = ArtifactCache(folder).fetch(artifact_of(content), peer)
        except TransportError:
            fails += 1
            assert fails <= len(breaks)
            continue
        break
    assert path.read_bytes() == content
    assert peer.offsets == sorted(peer.offsets)
    assert [one.name for one in folder.iterdir()] == [artifact_of(content).hex]


def test_a_cached_artifact_is_not_fetched_again(tmp_path: Path) -> None:
    content = b"abc" * 50
    cache, peer = ArtifactCache(tmp_path), Peer(content)
    assert cache.path(artifact_of(content)) is None
    cache.fetch(artifact_of(content), peer)
    assert cache.fetch(artifact_of(content), peer) == cache.path(artifact_of(content))
    assert peer.offsets == [0]


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    content = b"abc" * 50
    artifact = artifact_of(content)
    for damage in (b"abd" * 50, b"abc" * 49, b""):
        (tmp_path / artifact.hex).write_bytes(damage)
        assert ArtifactCache(tmp_path).fetch(artifact, Peer(content)).read_bytes() == content


def test_a_damaged_part_costs_one_more_try(tmp_path: Path) -> None:
    content = b"abc" * 50
    artifact = artifact_of(content)
    (tmp_path / f"{artifact.hex}.part").write_bytes(b"xyz" * 20)
    cache, peer = ArtifactCache(tmp_path), Peer(content)
    with pytest.raises(TransportError, match="starts over"):
        cache.fetch(artifact, peer)
    assert cache.fetch(artifact, peer).read_bytes() == content
    assert peer.offsets == [60, 0]


def test_a_part_that_is_too_long_is_dropped(tmp_path: Path) -> None:
    content = b"abc" * 50
    (tmp_path / f"{artifact_of(content).hex}.part").write_bytes(content + b"more")
    assert ArtifactCache(tmp_path).fetch(artifact_of(content), Peer(content)).read_bytes() == content


def test_a_part_that_is_complete_needs_no_call(tmp_path: Path) -> None:
    content = b"abc" * 50
    (tmp_path / f"{artifact_of(content).hex}.part").write_bytes(content)
    peer = Peer(content)
    assert ArtifactCache(tmp_path).fetch(artifact_of(content), peer).read_bytes() == content
    assert peer.offsets == []


def _chunks(*pairs: tuple[int, bytes]):
    return lambda _offset: iter([aggregator_pb2.ArtifactChunk(offset=offset, data=data) for offset, data in pairs])


@pytest.mark.parametrize(
    "stream",
    [
        _chunks((1, b"0123456789abcdef")),
        _chunks((0, b"0123"), (3, b"456789abcdef")),
        _chunks((0, b"0123456789abcdefg")),
        _chunks((0, b""), (0, b"0123456789abcdef")),
    ],
)
def test_a_peer_that_sends_something_else_is_refused(tmp_path: Path, stream) -> None:
    artifact = artifact_of(b"0123456789abcdef")
    cache = ArtifactCache(tmp_path)
    with pytest.raises(ProtocolError):
        cache.fetch(artifact, stream)
    assert cache.path(artifact) is None


def test_content_that_comes_damaged_may_come_again_once(tmp_path: Path) -> None:
    content = b"0123456789abcdef"
    artifact, damaged = artifact_of(content), _chunks((0, b"0123456789abcdeF"))
    cache = ArtifactCache(tmp_path)
    with pytest.raises(TransportError, match="came damaged; it starts over"):
        cache.fetch(artifact, damaged)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProtocolError, match="does not have that digest, once more"):
        cache.fetch(artifact, damaged)
    assert list(tmp_path.iterdir()) == []
    assert cache.fetch(artifact, _chunks((0, content))).read_bytes() == content


def _broken(cache: ArtifactCache, content: bytes, age: int) -> Path:
    """A download that broke off after 7 bytes, so long ago."""
    with pytest.raises(TransportError, match="broken"):
        cache.fetch(artifact_of(content), Peer(content, [7]))
    (part,) = cache._folder.glob(f"{artifact_of(content).hex}.part")
    os.utime(part, (10_000 - age, 10_000 - age))
    return part


def test_downloads_that_nobody_goes_on_with_are_removed_the_oldest_first(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path)
    parts = [_broken(cache, bytes([index]) * 50, 10 - index) for index in range(6)]
    assert [part.exists() for part in parts] == [False, False, True, True, True, True]
    # The one under way is none of those three, however old it is.
    assert cache.fetch(artifact_of(bytes([2]) * 50), Peer(bytes([2]) * 50)).stat().st_size == 50
    assert [part.exists() for part in parts] == [False, False, False, True, True, True]


def test_unfinished_downloads_go_where_the_limit_asks_for_it(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path, limit_bytes=60)
    part = _broken(cache, b"a" * 50, 5)
    cache.fetch(artifact_of(b"b" * 55), Peer(b"b" * 55))
    assert not part.exists()
    assert cache.size_bytes() == 55


def test_a_disk_without_room_is_told_before_a_byte_is_fetched(small_disk: Path) -> None:
    content = bytes(4_800_000)
    filler = small_disk / "photos"
    filler.write_bytes(bytes(4_000_000))
    cache, peer = ArtifactCache(small_disk / "cache"), Peer(content, chunk=80_000)
    with pytest.raises(StorageError, match="lacks room for 4800000 bytes more: free some"):
        cache.fetch(artifact_of(content), peer)
    assert peer.offsets == []
    filler.unlink()
    assert cache.fetch(artifact_of(content), peer).stat().st_size == 4_800_000


def test_what_is_not_in_use_goes_where_the_disk_asks_for_it(small_disk: Path) -> None:
    old, used, new = bytes(2_400_000), bytes(2_400_001), bytes(4_000_000)
    cache = ArtifactCache(small_disk / "cache")
    for content in (old, used):
        cache.fetch(artifact_of(content), Peer(content, chunk=80_000))
    cache.fetch(artifact_of(new), Peer(new, chunk=80_000), in_use={artifact_of(used).hex})
    assert [cache.path(artifact_of(one)) is not None for one in (old, used, new)] == [False, True, True]


def test_a_disk_that_fills_up_during_a_download_is_not_kept_full(small_disk: Path) -> None:
    content, filler = bytes(4_800_000), small_disk / "photos"
    cache, peer = ArtifactCache(small_disk / "cache"), Peer(content, chunk=80_000)

    def while_others_write(offset: int) -> Iterator[aggregator_pb2.ArtifactChunk]:
        for chunk in peer(offset):
            if chunk.offset == 2_400_000:
                filler.write_bytes(bytes(4_800_000))
            yield chunk

    with pytest.raises(StorageError, match="No space left on device"):
        cache.fetch(artifact_of(content), while_others_write)
    assert list((small_disk / "cache").iterdir()) == []
    filler.unlink()
    assert cache.fetch(artifact_of(content), peer).stat().st_size == 4_800_000


def test_a_stream_that_ends_early_may_be_tried_again(tmp_path: Path) -> None:
    artifact = artifact_of(b"0123456789abcdef")
    cache = ArtifactCache(tmp_path)
    with pytest.raises(TransportError, match="after 4 bytes"):
        cache.fetch(artifact, _chunks((0, b"0123")))
    assert cache.fetch(artifact, _chunks((4, b"456789abcdef"))).read_bytes() == b"0123456789abcdef"


def test_the_least_recently_used_goes_first_and_never_one_in_use(tmp_path: Path) -> None:
    contents = [bytes([index]) * 100 for index in range(5)]
    artifacts = [artifact_of(content) for content in contents]
    cache = ArtifactCache(tmp_path, limit_bytes=300)
    for age, (artifact, content) in enumerate(zip(artifacts[:3], contents[:3], strict=True)):
        os.utime(cache.fetch(artifact, Peer(content)), (1000 + age, 1000 + age))
    cache.fetch(artifacts[3], Peer(contents[3]), in_use={artifacts[0].hex})
    assert [cache.path(one) is not None for one in artifacts[:4]] == [True, False, True, True]
    everything = {one.hex for one in artifacts}
    cache.fetch(artifacts[4], Peer(contents[4]), in_use=everything)
    assert cache.size_bytes() == 400
