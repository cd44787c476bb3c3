"""Maps of instances → PNGs of 16 bits or, for more objects than these can number, TIFFs of 32.

Maps consist of runs as masks do, so `kernels.encode.runs` codes them without making their bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import jsontext
from ..kernels.encode import mask_tokens, page, runs
from ..scratch import Buffer, Scratch
from .general import deflate_pixels, store_pixels
from .png import WHOLE, Deflated, Layout, Part, Strip, frame

Numbers = NDArray[Any]
"""(height, width) uint8 or uint16 or, for numbers above 65,535, int32."""

_TOKENS = Buffer("tokens of a map")
_STREAM = Buffer("stream of a map")
_PIXELS_PER_TOKEN = 8  # with fewer a map is noise, and filtering and searching do better


def numbers_layout(height: int, width: int, *, is_wide: bool) -> Layout:
    """What a map is as a picture; 32 bits are four channels of 8, which only `tiff` joins."""
    return Layout(height, width, 4, 8) if is_wide else Layout(height, width, 1, 16)


def encode_numbers(numbers: Numbers, scratch: Scratch | None = None) -> list[Part]:
    """Encode a map of 16 bits as a PNG."""
    stream = deflate_numbers(numbers, scratch or Scratch()).data
    return frame(stream, numbers_layout(numbers.shape[0], numbers.shape[1], is_wide=False))


def deflate_numbers(numbers: Numbers, scratch: Scratch, strip: Strip = WHOLE) -> Deflated:
    """Deflate a map of 16 bits."""
    found = _deflate_runs(numbers[strip.first :], scratch, strip)
    if found is not None:
        return found
    return deflate_pixels(numbers.astype(np.uint16, copy=False), scratch, strip)


def _deflate_runs(numbers: Numbers, scratch: Scratch, strip: Strip) -> Deflated | None:
    """Deflate a map by its runs; None if it has too few, or is too wide."""
    height, width = numbers.shape
    stride = 2 * width + 1
    if stride > page.WINDOW:
        return None
    room = int(height * width / _PIXELS_PER_TOKEN) + 8 * width + 64
    covered = height * stride
    # At most one word a token, and one more for every 258 bytes that are repeated.
    words = room + covered // 258 + 1000
    tokens = scratch.take(_TOKENS, (mask_tokens.CODE_WORDS + room,), np.int64)
    out = scratch.take(_STREAM, (8 * words,))
    count, adler = runs.tokenize_numbers(numbers, tokens)
    if count < 0:
        return None
    size = mask_tokens.write(tokens, count, 2, stride, adler, strip.is_part, out)
    return Deflated(out[:size].data, adler, covered)


def store_numbers(numbers: Numbers, strip: Strip = WHOLE) -> Deflated:
    """The rows of a strip for `tiff`, of 16 or of 32 bits."""
    if numbers.dtype.itemsize < 4:
        return store_pixels(numbers.astype(np.uint16, copy=False), strip)
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
