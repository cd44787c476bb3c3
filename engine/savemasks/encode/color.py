"""Label map → machine mask; label map and original → human picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.encode import lookup as kernels
from ..layers.palette import Palette
from ..scratch import Buffer, Scratch

Labels = NDArray[np.unsignedinteger[Any]]

_MACHINE = Buffer("machine mask")
_PAGE = Buffer("human page")


def color_machine(labels: Labels, palette: Palette, out: NDArray[Any]) -> None:
    """Paint the machine mask.

    `out` is (height, width) if the palette is gray, else (height, width, 3) RGB; of the dtype of
    the palette's colours.
    """
    if palette.grays is not None:
        kernels.gray(labels, palette.grays.copy(), out)
    else:
        kernels.rgb(labels, palette.colors, out)


def color_human(
    image: NDArray[np.uint8], labels: Labels, palette: Palette, out: NDArray[np.uint8]
) -> None:
    """Stack the original, one pure green column, and the original under the classes.

    A painted pixel is (original + colour) >> 1 in every channel, any other is the original.
    `image` is (height, width, 3) RGB, `out` (height, 2 * width + 1, 3).
    """
    height, width = labels.shape
    pixels = image.reshape(height, 3 * width)
    pixels.setflags(write=False)  # a view of ours: one compiled kernel serves all originals
    page = out.reshape(height, 6 * width + 3)
    # The last row by itself: with a map of `label_room` its pixels are written over its labels.
    last = labels[-1:].copy()
    kernels.human(pixels[:-1], labels[:-1], palette.colors, page[:-1])
    kernels.human(pixels[-1:], last, palette.colors, page[-1:])


def label_room(
    out: NDArray[np.unsignedinteger[Any]],
    shape: tuple[int, int],
    dtype: type[np.unsignedinteger[Any]],
) -> Labels:
    """Room for a label map in memory that will hold its RGB picture or its human page.

    It lies at the end. Pictures are coloured from the first pixel to the last, and have three bytes
    or more for a label's one or two: so they never reach a label that is not yet used, but for the
    last row of a page, of which `color_human` takes care.
    """
    memory = out.reshape(-1).view(np.uint8)
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    start = memory.size - size
    if dtype is not np.uint8:  # kernels want whole words where words lie
        start -= (memory.ctypes.data + start) % np.dtype(dtype).itemsize
    return memory[start : start + size].view(dtype).reshape(shape)


def machine_mask(labels: Labels, palette: Palette, scratch: Scratch) -> NDArray[Any]:
    """The machine mask in memory of `scratch`."""
    shape = labels.shape if palette.is_gray else (*labels.shape, 3)
    out = scratch.take(_MACHINE, shape, palette.colors.dtype)
    color_machine(labels, palette, out)
    return out


def human_page(
    image: NDArray[np.uint8], labels: Labels, palette: Palette, scratch: Scratch
) -> NDArray[np.uint8]:
    """The human picture in memory of `scratch`."""
    height, width = labels.shape
    out = scratch.take(_PAGE, (height, 2 * width + 1, 3))
    color_human(image, labels, palette, out)
    return out
