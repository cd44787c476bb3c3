"""Which encoder takes a mask or a page; whole, or a strip of it.

| what | encoder | otherwise |
|---|---|---|
| machine mask of 8-bit grays | `machine`: its runs, no pixels | too few runs: `general` |
| machine mask of colours or deep grays | `general` | |
| human page | `human`: one pass, the right half as repeats | ISA-L much shorter: `general` |

Why: `benchmarks/encoders.py` encodes the masks of a project both ways. Those of 1080p frames take a
sixth (machine) and a third (human) of the general way's time; those of small microscope pictures
take as long, in three quarters (machine) and five sixths (human) of the bytes. The pixels are the
same either way.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.palette import Palette
from ..scratch import Scratch
from .color import human_page, machine_mask
from .general import deflate_pixels
from .human import deflate_page
from .machine import deflate_runs
from .png import WHOLE, Deflated, Layout, Part, Strip, frame


def encode_machine(
    labels: NDArray[np.unsignedinteger[Any]], palette: Palette, scratch: Scratch | None = None
) -> list[Part]:
    """Encode the machine mask of a label map.

    The result is that of `color_machine` and `encode_png`, in other bytes. Masks of 8-bit grays,
    which are mostly runs, are never made as pixels; noise, colours and deep grays are.

    Parameters
    ----------
    labels
        (height, width) uint8 or uint16.
    palette
        Colours of the labels.
    scratch
        Memory to reuse from call to call.
    """
    stream = deflate_machine(labels, palette, scratch or Scratch()).data
    return frame(stream, machine_layout(labels.shape[0], labels.shape[1], palette))


def machine_layout(height: int, width: int, palette: Palette) -> Layout:
    """What the machine mask of a canvas is as a PNG."""
    channels, depth = 1 if palette.is_gray else 3, 8 * palette.colors.dtype.itemsize
    return Layout(height, width, channels, depth, palette.chunk)


def deflate_machine(
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated:
    """Deflate the machine mask of a label map."""
    grays = palette.grays
    if grays is not None and grays.dtype == np.uint8:
        # A copy, since kernels are compiled for arrays that can be written.
        found = deflate_runs(labels, grays.copy(), scratch, strip)
        if found is not None:
            return found
    return deflate_pixels(machine_mask(labels, palette, scratch), scratch, strip)


def encode_human(
    image: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch | None = None,
) -> list[Part]:
    """Compose and encode a human page in one pass, or in two where that is better.

    The result is that of `color_human` and `encode_png`, in other bytes. A page whose original
    repeats itself so much that searching pays goes the general way.

    Parameters
    ----------
    image
        (height, width, 3) uint8 RGB.
    labels
        (height, width) uint8 or uint16.
    palette
        Colours of the labels.
    scratch
        Memory to reuse from call to call.
    """
    stream = deflate_human(image, labels, palette, scratch or Scratch()).data
    return frame(stream, human_layout(*labels.shape))


def human_layout(height: int, width: int) -> Layout:
    """What the human page of a canvas is as a PNG."""
    return Layout(height, 2 * width + 1, 3, 8)


def deflate_human(
    image: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated:
    """Compose and deflate the human page of a label map and its original."""
    found = deflate_page(image, labels, palette, scratch, strip)
    if found is not None:
        return found
    return deflate_pixels(human_page(image, labels, palette, scratch), scratch, strip)
