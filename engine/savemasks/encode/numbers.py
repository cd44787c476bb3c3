"""Maps of instances → PNGs of 16 bits or, for more objects than these can number, TIFFs of 32.

A map of 16 bits is a picture of twice as many bytes, whose rows repeat as those of masks do. So the
encoder of masks takes them byte by byte, if they are big-endian.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import jsontext
from ..scratch import Scratch
from .general import deflate_pixels, store_pixels
from .machine import deflate_runs
from .png import WHOLE, Deflated, Layout, Part, Strip, frame

_BYTES = np.arange(256, dtype=np.uint8)
_BIG_ENDIAN = np.dtype(">u2")

Numbers = NDArray[Any]
"""(height, width) big-endian uint16 or, for numbers above 65,535, int32."""


def numbers_layout(height: int, width: int, *, is_wide: bool) -> Layout:
    """What a map is as a picture; 32 bits are four channels of 8, which only `tiff` joins."""
    return Layout(height, width, 4, 8) if is_wide else Layout(height, width, 1, 16)


def encode_numbers(numbers: Numbers, scratch: Scratch | None = None) -> list[Part]:
    """Encode a map of 16 bits as a PNG."""
    stream = deflate_numbers(numbers, scratch or Scratch()).data
    return frame(stream, numbers_layout(numbers.shape[0], numbers.shape[1], is_wide=False))


def deflate_numbers(numbers: Numbers, scratch: Scratch, strip: Strip = WHOLE) -> Deflated:
    """Deflate a map of 16 bits."""
    numbers = numbers.astype(_BIG_ENDIAN, copy=False)
    found = deflate_runs(numbers.view(np.uint8), _BYTES, scratch, strip)
    return deflate_pixels(numbers, scratch, strip) if found is None else found


def store_numbers(numbers: Numbers, strip: Strip = WHOLE) -> Deflated:
    """The rows of a strip for `tiff`, of 16 or of 32 bits."""
    if numbers.dtype.itemsize == 2:
        return store_pixels(numbers, strip)
    return store_pixels(numbers.view(np.uint8).reshape(*numbers.shape, 4), strip)


def describe_numbers(
    seen: Iterable[tuple[int, int, list[int] | None]],
    class_of: Mapping[int, str],
    ids: Mapping[int, int | str],
) -> bytes:
    """The JSON beside a map: what each of its numbers is.

    Parameters
    ----------
    seen
        Number, visible pixels, and [x, y, width, height] of these or None without any.
    class_of
        Title by number; other numbers are left out.
    ids
        The object's own id by its position in the list, which is its number less 1.

    Returns
    -------
    `{"1": {"class": "kiwi", "area": 5, "bbox": [1, 1, 3, 2], "id": 77}}`. An object that others
    cover entirely has the area 0 and the box null; one that has no id in its annotation has none
    here.
    """
    entries = {}
    for number, area, box in seen:
        if number in class_of:
            entry: dict[str, object] = {"class": class_of[number], "area": area, "bbox": box}
            if number - 1 in ids:
                entry["id"] = ids[number - 1]
            entries[str(number)] = entry
    return jsontext.dump(entries) + b"\n"
