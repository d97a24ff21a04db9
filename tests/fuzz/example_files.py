"""Damaged files of examples, as an emulation reads them."""

import io
import random
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from fieldfare.core.errors import FieldfareError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data import load_table
from fieldfare.emulator.scenario import DataSettings
from tests.fuzz.mutation import damaged_bytes

_ROWS = 5
_MOST_BYTES = 10_000_000
_NUMBERS = (TensorSpec("x", "float32", (2, 3)), TensorSpec("y", "int32", ()))
_PICTURES = (TensorSpec("image", "float32", (4, 6, 1)), TensorSpec("label", "int32", ()))
_KINDS = ("npz", "csv", "parquet", "png", "jpg")


def example_file(rng: random.Random) -> str:
    """A file of one of the kinds; "taken", or the name of the error of ours."""
    kind = rng.choice(_KINDS)
    is_picture = kind in {"png", "jpg"}
    with tempfile.TemporaryDirectory(prefix="fieldfare-fuzz-") as folder:
        path = Path(folder) / ("who/label" if is_picture else "") / f"a.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged_bytes(rng, _whole(kind)))
        settings = DataSettings(folder if is_picture else str(path), column="who", most_bytes=_MOST_BYTES)
        try:
            load_table(settings, _PICTURES if is_picture else _NUMBERS)
        except FieldfareError as error:
            str(error)
            return type(error).__name__
    return "taken"


@cache
def _whole(kind: str) -> bytes:
    out = io.BytesIO()
    x = np.arange(6 * _ROWS, dtype=np.float32).reshape(_ROWS, 2, 3)
    columns = {"x": x, "y": np.arange(_ROWS, dtype=np.int32), "who": np.array(["ada", "bo", "cy", "ada", "bo"])}
    match kind:
        case "npz":
            np.savez_compressed(out, **columns)
        case "csv":
            rows = [[*x[row].ravel(), row, columns["who"][row]] for row in range(_ROWS)]
            header = [*(f"x.{index}" for index in range(6)), "y", "who"]
            out.write("\n".join(",".join(map(str, line)) for line in [header, *rows]).encode())
        case "parquet":
            parquet.write_table(pa.table({**columns, "x": x.tolist()}), out)
        case _:
            Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).save(out, "PNG" if kind == "png" else "JPEG")
    return out.getvalue()
