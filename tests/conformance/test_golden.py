import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message_factory import GetMessageClass

from fieldfare.core.aggregation import FixedPointSum
from fieldfare.core.encodings import FLOAT16, FLOAT32, decode_update
from fieldfare.core.rounds import open_ticket
from fieldfare.core.weights import pack_weights, unpack_weights
from tests.conformance.examples import (
    EXAMPLES,
    FORMATS,
    GOLDEN,
    PACKAGE,
    SNAPSHOT_BOUNDS,
    SPECS,
    TICKET_CLAIMS,
    TICKET_KEY,
    VECTOR,
    descriptors,
    files,
    snapshot_sum,
)
from tests.conformance.listing import lines

MESSAGES = {one.full_name.removeprefix(f"{PACKAGE}."): one for one in descriptors()}
STEMS = sorted(path.stem for path in GOLDEN.glob("*.textproto"))


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def test_every_message_and_every_choice_has_golden_bytes():
    assert {one.removeprefix(f"{PACKAGE}.") for one in EXAMPLES} == set(STEMS)
    assert {stem.split(".")[0] for stem in STEMS} == set(MESSAGES)
    assert {path.stem for path in GOLDEN.glob("*.bin")} == {*STEMS, *FORMATS}


@pytest.mark.parametrize("stem", STEMS)
def test_the_golden_bytes_say_what_stands_beside_them(stem):
    kind = GetMessageClass(MESSAGES[stem.split(".")[0]])
    parsed = kind.FromString(golden(stem))
    readable = text_format.Parse((GOLDEN / f"{stem}.textproto").read_text(encoding="utf-8"), kind())
    assert parsed == readable
    assert parsed.SerializeToString(deterministic=True) == golden(stem)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_golden_bytes_set_every_field(name):
    message = EXAMPLES[name]
    assert message.SerializeToString(deterministic=True) == golden(name.removeprefix(f"{PACKAGE}."))
    chosen = {field.name for field, _ in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        assert field.name in chosen or (oneof is not None and len(oneof.fields) > 1)


def test_no_number_type_or_label_changed():
    committed = (GOLDEN / "listing.txt").read_text(encoding="utf-8").splitlines()
    gone = sorted(set(committed) - set(lines()))
    assert not gone, "an incompatible change: reserve the number, or make a package v2"
    new = sorted(set(lines()) - set(committed))
    assert not new, "write the golden files for what is new: python -m tests.conformance.make_golden"


def test_every_enum_begins_with_unspecified():
    enums = [one for file in files() for one in file.enum_types_by_name.values()]
    enums += [inner for one in descriptors() for inner in one.enum_types]
    assert len(enums) >= 9
    for enum in enums:
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED"), enum.full_name


def test_weights_file():
    specs, vector = unpack_weights(golden("weights_file"))
    assert specs == SPECS
    assert vector.tolist() == VECTOR.tolist()
    assert pack_weights(specs, vector) == golden("weights_file")


def test_snapshot():
    total = FixedPointSum.from_bytes(golden("snapshot"), SNAPSHOT_BOUNDS)
    assert (total.weight, total.count) == (100_007, 2)
    expected = [(7 * first + 100_000 * second) / 100_007 for first, second in [(1, -256), (-0.5, 0.25), (0.1, 3)]]
    assert total.mean().tolist() == pytest.approx(expected, rel=1e-7)
    assert total.to_bytes() == snapshot_sum().to_bytes() == golden("snapshot")


def test_ticket():
    assert open_ticket(TICKET_KEY, golden("ticket")) == TICKET_CLAIMS
    assert FORMATS["ticket"] == golden("ticket")


@pytest.mark.parametrize(
    ("name", "encoding", "expected"),
    [
        ("update_float32", FLOAT32, VECTOR.tolist()),
        ("update_float16", FLOAT16, [1.0, -0.5, 0.0999755859375, 65504.0, -(2.0**-24)]),
    ],
)
def test_encoded_updates(name, encoding, expected):
    decoded = decode_update(encoding, golden(name), 5, max_abs_value=65504.0)
    assert decoded.dtype == np.float32
    assert decoded.tolist() == expected
    assert FORMATS[name] == golden(name)
