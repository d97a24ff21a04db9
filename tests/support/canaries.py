"""Values that nothing but an example holds, and every form in which they might be written down."""

import base64
import bz2
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FLOATS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")
_INTEGERS = ("<i4", ">i4", "<i8", ">i8", "<f4", ">f4", "<f8", ">f8")
_DECIMALS = (".4f", ".5f", ".6f", ".7g", ".9g", ".12g", ".17g", ".8e")
_SENTENCE_PIECE = 12
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|BZh[1-9]|\xfd7zXZ\x00")
_LONGEST_UNPACKED = 1 << 22
_UNPACKED_PIECE = 256

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


def unpacked(haystacks: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is in every zlib, gzip, bzip2 and xz stream that begins anywhere in them, as far as it can be read."""
    found = {}
    for where, text in haystacks.items():
        for match in _PACKED.finditer(text):
            content = _unpack(match[0], text[match.start() :])
            if content:
                found[f"what is packed at {match.start()} of {where}"] = content
    return found


def _unpack(magic: bytes, text: bytes) -> bytes:
    content = bytearray()
    # 32 on top of the window's size: zlib finds out by itself which of its two headers it is.
    decoder = {b"B": bz2.BZ2Decompressor, b"\xfd": lzma.LZMADecompressor}.get(
        magic[:1], lambda: zlib.decompressobj(47)
    )()
    try:
        # By small pieces, so that what comes before a damage is there.
        for start in range(0, len(text), _UNPACKED_PIECE):
            content += decoder.decompress(text[start : start + _UNPACKED_PIECE])
            if decoder.eof or len(content) > _LONGEST_UNPACKED:
                break
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        pass  # Safe: most of what looks like a beginning is none.
    return bytes(content)


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
            for kind in ("utf-16-le", "utf-16-be", "utf-32-le"):
                yield f"text from {start} as {kind}", piece.tobytes().decode("latin-1").encode(kind)
            for comma in (",", ", ", " "):
                yield f"text from {start} as decimals, {comma!r}", comma.join(map(str, piece)).encode()
            yield f"text from {start} as escapes", "".join(f"\\x{one:02x}" for one in piece).encode()
        return
    for kind in _FLOATS if row.dtype.kind == "f" else _INTEGERS:
        content = row.astype(kind).tobytes()
        if len(content) >= 8:
            yield kind, content
            yield from _wrapped(kind, content)
    for what, numbers in (("float64", row.tolist()), ("float32", [float(str(one)) for one in row])):
        if len(row) > 1:
            yield f"JSON of {what}", json.dumps(numbers)[1:-1].encode()
            yield f"JSON of {what} without spaces", json.dumps(numbers, separators=(",", ":"))[1:-1].encode()


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
        texts = {"decimal": str(number), "decimal in groups": f"{number:,}", "hex of the number": f"{number:x}"}
        yield "varint", _varint(number)
        yield "zigzag varint", _varint(2 * number if number >= 0 else -2 * number - 1)
    else:
        texts = {f"decimal {form}": format(number, form) for form in _DECIMALS}
        texts |= {"repr": repr(number), "repr float32": str(value)}
    for what, text in texts.items():
        yield what, text.encode()
        yield f"{what} as UTF-16", text.encode("utf-16-le")
        yield f"{what} as big-endian UTF-16", text.encode("utf-16-be")
        yield from (
            (f"{what} in base64 at {shift}", piece) for shift, piece in enumerate(_base64_pieces(text.encode()))
        )


def _varint(number: int) -> bytes:
    """As protobuf writes whole numbers."""
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


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
