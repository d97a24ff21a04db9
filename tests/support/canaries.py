"""Values that nothing but an example holds, and every form in which they might be written down."""

import base64
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FLOATS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")
_INTEGERS = ("<i4", ">i4", "<i8", ">i8", "<f4", "<f8")
_DECIMALS = (".4f", ".5f", ".6f", ".7g", ".9g", ".12g", ".17g", ".8e")
_SENTENCE_PIECE = 12

Needles = dict[str, bytes]
"""What it is, in words, to its bytes."""


def needles(examples: Mapping[str, NDArray], whose: str) -> Needles:
    """Every form of every row; forms of single values only of the first row.

    Forms shorter than four bytes are left out, and those of four bytes are kept to the first row: random bytes on the
    wire (tickets, ids, digests) would hold them now and then.
    """
    found: Needles = {}
    for name, array in examples.items():
        for index, row in enumerate(array.reshape(len(array), -1)):
            where = f"{whose} {name} row {index}"
            found |= {f"{where} {form}": content for form, content in _row_forms(row)}
            if index == 0 and array.dtype != np.uint8:
                for place, value in enumerate(row):
                    found |= {f"{where} value {place} {form}": content for form, content in _value_forms(value)}
    return found


def search(wanted: Needles, haystacks: Mapping[str, bytes]) -> list[str]:
    """Where something was found: "device 1 reading row 0 value 2 >f8 in up, raw".

    Four bytes of every form are looked up at every place at once; only where they stand is the rest compared.
    """
    by_key: dict[int, list[tuple[str, bytes, int]]] = {}
    for what, form in wanted.items():
        at = _rarest(form)
        by_key.setdefault(int.from_bytes(form[at : at + 4], "little"), []).append((what, form, at))
    # One bit for each hash of a key: nearly all places are ruled out by a single look into a table.
    keys = np.array(sorted(by_key), np.uint32)
    table = np.zeros(1 << 20, bool)
    table[_hash(keys)] = True
    found = []
    for where, text in haystacks.items():
        for offset in range(min(4, len(text))):
            words = np.frombuffer(text, "<u4", count=(len(text) - offset) // 4, offset=offset)
            for index in np.flatnonzero(table[_hash(words)]):
                for what, form, at in by_key.get(int(words[index]), ()):
                    start = 4 * int(index) + offset - at
                    if start >= 0 and text.startswith(form, start):
                        found.append(f"{what} in {where}")
    return found


def _hash(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (words * np.uint32(2654435761)) >> np.uint32(12)


def _rarest(form: bytes) -> int:
    """Where four bytes begin that are unlike padding: as many different ones as there are, and no zeros."""
    return max(range(len(form) - 3), key=lambda at: (len(set(form[at : at + 4]) - {0}), -at))


def _row_forms(row: NDArray) -> Iterator[tuple[str, bytes]]:
    if row.dtype == np.uint8:
        text = row.tobytes()
        for start in range(0, len(text) - _SENTENCE_PIECE + 1, _SENTENCE_PIECE):
            piece = row[start : start + _SENTENCE_PIECE]
            yield f"text from {start}", piece.tobytes()
            yield from _wrapped(f"text from {start}", piece.tobytes())
            for kind in ("<f4", ">f4", "<i4", "<i8", "<f8", "<f2"):
                yield f"text from {start} as {kind}", piece.astype(kind).tobytes()
            yield f"text from {start} as decimals", ", ".join(map(str, piece)).encode()
            yield f"text from {start} as escapes", "".join(f"\\x{one:02x}" for one in piece).encode()
        return
    for kind in _FLOATS if row.dtype.kind == "f" else _INTEGERS:
        content = row.astype(kind).tobytes()
        if len(content) >= 8:
            yield kind, content
            yield from _wrapped(kind, content)


def _value_forms(value: np.generic) -> Iterator[tuple[str, bytes]]:
    kinds = _FLOATS if value.dtype.kind == "f" else _INTEGERS
    for kind in kinds:
        content = value.astype(kind).tobytes()
        if len(content) >= 4:
            yield kind, content
            yield f"{kind} hex", content.hex().encode()
            yield f"{kind} HEX", content.hex().upper().encode()
        if len(content) >= 8:
            yield from _wrapped(kind, content)
    number = value.item()
    if isinstance(number, int):
        yield "decimal", str(number).encode()
        yield "decimal in groups", f"{number:,}".encode()
        yield "hex of the number", f"{number:x}".encode()
        return
    for form in _DECIMALS:
        yield f"decimal {form}", format(number, form).encode()
    yield "repr", repr(number).encode()
    yield "repr float32", str(value).encode()


def _wrapped(form: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield f"{form} hex", content.hex().encode()
    yield f"{form} HEX", content.hex().upper().encode()
    for shift, piece in enumerate(_base64_pieces(content)):
        yield f"{form} base64 at {shift}", piece
        yield f"{form} base64url at {shift}", piece.replace(b"+", b"-").replace(b"/", b"_")


def _base64_pieces(content: bytes) -> Sequence[bytes]:
    """The characters that only the content decides, wherever in a longer text it may begin."""
    pieces = []
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + content)
        sure_bits = 8 * (shift + len(content))
        pieces.append(whole[-(-8 * shift // 6) : sure_bits // 6])
    return pieces
