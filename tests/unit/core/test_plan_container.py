import hashlib
from dataclasses import replace

import pytest
from ai_edge_litert import schema_py_generated as schema

from fieldfare.core.errors import PlanError
from fieldfare.core.plans import attach_manifest, read_manifest
from tests.support.tiny_plan import tiny_manifest, tiny_plan


@pytest.fixture(scope="module")
def plan() -> bytes:
    return tiny_plan()


def entries(plan: bytes) -> dict[str, bytes]:
    tree = schema.ModelT.InitFromPackedBuf(bytearray(plan), 0)
    return {one.name.decode(): bytes(tree.buffers[one.buffer].data) for one in tree.metadata}


def test_the_manifest_comes_back(plan):
    assert read_manifest(plan) == tiny_manifest()
    assert read_manifest(bytearray(plan)) == read_manifest(memoryview(plan)) == tiny_manifest()


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place(plan):
    digest = entries(plan)["fieldfare.sha256"]
    assert plan.count(digest) == 1
    assert hashlib.sha256(plan.replace(digest, bytes(32))).digest() == digest


def test_attaching_again_replaces_the_manifest_and_keeps_foreign_metadata(plan):
    before = entries(plan)
    again = attach_manifest(plan, replace(tiny_manifest(), name="other"))
    assert read_manifest(again).name == "other"
    assert set(entries(again)) == set(before)
    assert len(schema.ModelT.InitFromPackedBuf(bytearray(again), 0).metadata) == len(before)
    foreign = set(before) - {"fieldfare.manifest", "fieldfare.sha256"}
    assert foreign
    assert all(entries(again)[name] == before[name] for name in foreign)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0TFL", b"\0\0\0\0TFL2" + bytes(100), bytes(100)])
def test_other_files_are_no_plans(data):
    with pytest.raises(PlanError, match="make one with `fieldfare export`"):
        read_manifest(data)
    with pytest.raises(PlanError, match="not a TFLite flatbuffer"):
        attach_manifest(data, tiny_manifest())


def test_a_tflite_file_without_a_manifest_is_no_plan(plan):
    bare = plan.replace(b"fieldfare.sha256", b"somebody.sha256x")
    with pytest.raises(PlanError, match="make one with `fieldfare export`"):
        read_manifest(bare)


@pytest.mark.parametrize("position", [0.01, 0.3, 0.5, 0.7, 0.999])
def test_a_changed_byte_is_noticed(plan, position):
    damaged = bytearray(plan)
    damaged[int(len(plan) * position)] ^= 1
    with pytest.raises(PlanError, match="damaged"):
        read_manifest(damaged)


@pytest.mark.parametrize("length", [8, 12, 100, -100, -1])
def test_a_plan_that_was_cut_short_is_noticed(plan, length):
    with pytest.raises(PlanError):
        read_manifest(plan[:length])


def test_a_digest_that_was_cut_short_is_noticed(plan):
    digest = plan.index(entries(plan)["fieldfare.sha256"])
    assert plan[digest - 4 : digest] == (32).to_bytes(4, "little")
    short = plan[: digest - 4] + (31).to_bytes(4, "little") + plan[digest:]
    with pytest.raises(PlanError, match="digest is cut short"):
        read_manifest(short)


def test_an_entry_that_ends_beyond_the_file_is_noticed(plan):
    digest = plan.index(entries(plan)["fieldfare.sha256"])
    long = plan[: digest - 4] + (2**31 - 1).to_bytes(4, "little") + plan[digest:]
    with pytest.raises(PlanError, match="damaged; fetch or export it again"):
        read_manifest(long)
