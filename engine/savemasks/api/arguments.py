"""What callers hand in for arrays and pictures, checked before a kernel sees it."""

import os
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..shapes import COORDINATE_LIMIT

Image = NDArray[np.uint8] | bytes | bytearray | memoryview | str | os.PathLike[str]
"""A picture: RGB pixels (height, width, 3), the contents of a file, or its path."""
Window = Sequence[int]
"""x and y of the left top pixel, width and height."""


def check_layer(layer: object) -> None:
    """Refuse, with a `TypeError`, JSON that has not become a layer."""
    if not hasattr(layer, "settings"):
        name = type(layer).__name__
        raise TypeError(f"layer must be a SaveMasks, as SaveMasks.from_json makes it, not {name}")


def array_for(
    out: NDArray[Any] | None,
    shape: tuple[int, ...],
    dtype: type[np.generic] | np.dtype[Any],
    *,
    any_rows: bool = False,
) -> NDArray[Any]:
    """A new array, or the caller's if a result of this shape and dtype can be written to it.

    With `any_rows`, there may be memory of others between its rows.

    Raises
    ------
    TypeError
        If `out` is no array, or one of another dtype or byte order.
    ValueError
        If its shape is another one, it is not C-contiguous, or it cannot be written to.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"out must be an array of {np.dtype(dtype)}, not of {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have the shape {shape}, not {out.shape}")
    flags = out.flags
    has_rows = any_rows and out.ndim == 2 and out.strides[1] == out.itemsize
    if not (flags.c_contiguous or has_rows):
        raise ValueError(f"out must be C-contiguous, but its strides are {out.strides}")
    if not flags.aligned:
        raise ValueError("out must be aligned to its dtype in memory")
    if not flags.writeable:
        raise ValueError("out must be writeable, but it is read-only")
    return out.view(np.ndarray)


def corner_and_shape(
    window: Sequence[int] | None, height: int, width: int, *, may_leave: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Corner (x, y) and shape (height, width) of a window (x, y, width, height) of a canvas.

    Raises
    ------
    TypeError
        If the window is not four whole numbers.
    ValueError
        If it is empty, or does not lie inside the canvas unless it `may_leave` it.
    """
    if window is None:
        return (0, 0), (height, width)
    try:
        x, y, columns, rows = map(index, window)
    except (TypeError, ValueError):
        raise TypeError(
            f"window must be four whole numbers (x, y, width, height), not {window!r}"
        ) from None
    if columns < 1 or rows < 1:
        raise ValueError(f"window {columns} x {rows} is empty: its sides must be at least 1")
    leaves = x < 0 or y < 0 or x + columns > width or y + rows > height
    if may_leave and max(columns, rows) > COORDINATE_LIMIT:
        raise ValueError(f"window {columns} x {rows} is too large")
    if leaves and not may_leave:
        raise ValueError(
            f"window {columns} x {rows} at ({x}, {y}) does not lie inside the canvas of"
            f" {width} x {height}"
        )
    return (x, y), (rows, columns)


def original_pixels(
    image: Image, height: int, width: int, out: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of whatever the caller has for a picture; strides are any."""
    if isinstance(image, np.ndarray):
        pixels = _rgb_pixels(image, out)
        if pixels.shape[:2] != (height, width):
            raise ImageError(
                f"is {pixels.shape[1]} x {pixels.shape[0]} pixels, but its annotation says"
                f" {width} x {height}"
            )
        return pixels
    from ..pictures.original import Original  # most callers do without libvips

    file = None
    if isinstance(image, str | os.PathLike):
        file = os.fspath(image)
        try:
            image = Path(file).read_bytes()
        except (OSError, ValueError) as error:  # the latter for names that no file can have
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"cannot be read: {reason}", file=file) from error
    elif not isinstance(image, bytes | bytearray | memoryview):
        name = type(image).__name__
        raise TypeError(f"image must be an array, the contents of a file or its path, not {name}")
    try:
        original = Original(bytes(image))
        original.check_size(height, width)
        return original.pixels()
    except ImageError as error:
        error.file = file
        raise


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
