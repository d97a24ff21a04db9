"""Pictures as tensors: of the plan's size and colours, never resized."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data.sources._packages import needed

_COLOURS = {1: "L", 3: "RGB", 4: "RGBA"}
_EIGHT_BITS = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}
_LARGEST = 255.0
_FORMATS = ("PNG", "JPEG")


def picture_size(spec: TensorSpec) -> tuple[int, int, int] | None:
    """Height, width and colours of the tensor's pictures: `(h, w)`, or `(h, w, c)` with 1, 3 or 4; else None."""
    match spec.shape:
        case (height, width):
            return height, width, 1
        case (height, width, colours) if colours in _COLOURS:
            return height, width, colours
        case _:
            return None


def read_picture(content: Path | bytes, spec: TensorSpec, place: str) -> NDArray[Any]:
    """Decode a PNG or JPEG.

    It is turned as its EXIF data say, and brought to the plan's colours: grey, RGB, RGBA. Floats are 0 to 1, whole
    numbers 0 to 255.

    Args:
        content: a file, or what is in one.
        spec: of the tensor; `picture_size` gives something for it.
        place: for messages.

    Returns:
        An array of the spec's shape and dtype.

    Raises:
        ConfigError: Pillow is not installed.
        DataError: no picture, a damaged one, one of another size or with more than 8 bits a colour.
    """
    image_module = needed("PIL.Image", to="reading pictures", extra="emulator")
    size = picture_size(spec)
    if size is None:
        raise DataError(f"{place}: holds pictures, and {spec.name!r} of shape {list(spec.shape)} is none")
    height, width, colours = size
    try:
        with image_module.open(
            io.BytesIO(content) if isinstance(content, bytes) else content, formats=_FORMATS
        ) as image:
            # Before anything is decoded: the header alone tells the size.
            _check(image, (width, height), place)
            turned = needed("PIL.ImageOps", to="reading pictures", extra="emulator").exif_transpose(image)
            if turned.size != (width, height):
                raise DataError(_other_size(place, turned.size, (width, height)))
            pixels = np.asarray(turned.convert(_COLOURS[colours]))
    except (OSError, ValueError, SyntaxError, EOFError, image_module.DecompressionBombError):
        raise DataError(f"{place} is no PNG or JPEG, or a damaged one") from None
    return as_tensor(pixels, spec, place)


def as_tensor(pixels: NDArray[np.uint8], spec: TensorSpec, place: str) -> NDArray[Any]:
    """Pixels of 0 to 255 in the spec's shape and dtype; floats are 0 to 1."""
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return (pixels / np.float32(_LARGEST)).astype(dtype).reshape(spec.shape)
    if dtype.kind == "b" or np.iinfo(dtype).max < _LARGEST:
        raise DataError(f"{place}: pixels are 0 to 255, which {spec.dtype} of {spec.name!r} does not hold")
    return pixels.astype(dtype).reshape(spec.shape)


def _check(image: Any, size: tuple[int, int], place: str) -> None:
    if image.size not in {size, size[::-1]}:
        raise DataError(_other_size(place, image.size, size))
    if image.mode not in _EIGHT_BITS:
        raise DataError(f"{place}: has more than 8 bits a colour (mode {image.mode}); save it with 8")


def _other_size(place: str, found: tuple[int, int], size: tuple[int, int]) -> str:
    return (
        f"{place}: is {found[0]} wide and {found[1]} high, and the plan takes {size[0]} and {size[1]}: "
        "pictures are not resized here"
    )
