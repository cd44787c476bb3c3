"""Pictures as callers have them → RGB pixels, checked before a kernel sees them."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow


class BinaryFile(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all."""


class PillowImage(Protocol):
    """An image of Pillow."""

    @property
    def mode(self) -> str:
        """What its samples are, as "RGB"."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""

    def getexif(self) -> Any:
        """Return what the camera has noted."""


Image = (
    NDArray[np.uint8]
    | bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | BinaryFile
    | PillowImage
)
"""A picture: RGB pixels (height, width, 3), the contents of a file, its path, the open file, or an
image of Pillow."""

_TURNED = {5, 6, 7, 8}  # EXIF orientations that swap the sides
_ORIENTATION = 0x0112
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
_NO_COLORS = {"I", "F"}  # samples of which nobody can say what is white


def original_pixels(
    image: Image, height: int, width: int, out: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of whatever the caller has for a picture; strides are any."""
    if isinstance(image, np.ndarray):
        pixels = _rgb_pixels(image, out)
        _check_size(pixels.shape[1], pixels.shape[0], width, height)
        return pixels
    if _is_pillow(image):
        return _pillow_pixels(image, height, width)
    from ..pictures.original import Original  # most callers do without libvips

    data, file = _contents(image)
    try:
        original = Original(data)
        original.check_size(height, width)
        return original.pixels()
    except ImageError as error:
        error.file = file
        if isinstance(image, bytes) and _looks_like_path(image):
            error.message += "; bytes are the contents of a file, its path must be a str or a Path"
        raise


def _contents(image: object) -> tuple[bytes, str | None]:
    """The contents of a file, and its name if that is known."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image), None
    if isinstance(image, str | os.PathLike):
        file: str | None = os.fsdecode(image)
        if not file:
            raise ImageError("an empty text is no path of an image")
        read: Callable[[], object] = Path(os.fsdecode(image)).read_bytes
    elif callable(getattr(image, "read", None)):
        name = getattr(image, "name", None)
        file = name if isinstance(name, str) else None
        read = partial(_read_all, image)
    else:
        name = type(image).__name__
        raise TypeError(
            "image must be an array, the contents of a file or its path, an open file or an image"
            f" of Pillow, not {name}"
        )
    try:
        data = read()
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot be read: {reason}", file=file) from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError("image is a file that is open as text: open it with the mode 'rb'")
    return bytes(data), file


def _read_all(file: Any) -> object:
    """Read an open file from its beginning, as Pillow does, if there is a way back to that."""
    if callable(getattr(file, "seekable", None)) and file.seekable():
        file.seek(0)
    return file.read()


def _looks_like_path(data: bytes) -> bool:
    return len(data) < 4096 and data.isascii() and data.decode("ascii").isprintable()


def _is_pillow(image: object) -> "TypeGuard[Pillow]":
    """Whether it is an image of Pillow; nobody has one before Pillow is loaded."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def _pillow_pixels(image: "Pillow", height: int, width: int) -> NDArray[np.uint8]:
    """RGB pixels of an image of Pillow: upright, as the file that it comes from would be."""
    if image.mode in _NO_COLORS:
        raise TypeError(f'image has the mode "{image.mode}": convert it to "RGB"')
    if {*image.size} != {width, height}:  # before anything is decoded, which EXIF data may need
        _check_size(*image.size, width, height)
    orientation = image.getexif().get(_ORIENTATION, 1)
    columns, rows = image.size[::-1] if orientation in _TURNED else image.size
    _check_size(columns, rows, width, height)
    from PIL import ImageOps

    try:
        upright = ImageOps.exif_transpose(image) if orientation != 1 else image
        if upright.mode in _DEEP:
            gray = (np.asarray(upright) >> 8).astype(np.uint8)
            return np.repeat(gray[:, :, np.newaxis], 3, axis=2)
        return np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        file = getattr(image, "filename", None)
        raise ImageError(f"cannot be decoded: {error}", file=file or None) from error


def _check_size(columns: int, rows: int, width: int, height: int) -> None:
    if (columns, rows) != (width, height):
        raise ImageError(
            f"is {columns} x {rows} pixels, but its annotation says {width} x {height}"
        )


def _rgb_pixels(image: NDArray[Any], out: NDArray[Any] | None) -> NDArray[np.uint8]:
    """A caller's picture (height, width, 3), as it lies in memory.

    Raises
    ------
    TypeError
        If its dtype is not uint8.
    ValueError
        If its shape is another one, or it shares memory with `out`.
    """
    if image.dtype != np.uint8:
        raise TypeError(f"image must be an array of uint8, not of {image.dtype}")
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must have the shape (height, width, 3), not {image.shape}")
    if out is not None and np.may_share_memory(image, out):
        raise ValueError("image and out must not share memory")
    return image.view(np.ndarray)
