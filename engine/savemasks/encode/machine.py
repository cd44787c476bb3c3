"""Label map → gray PNG by runs: equal pixels in a row are never looked at one by one.

Masks of 8-bit grays are mostly runs, and rows mostly repeat the row above; `kernels.encode.runs`
codes both without making pixels first. A mask that has too few runs is noise to it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.encode import mask_tokens, page, runs
from ..scratch import Buffer, Scratch
from .png import WHOLE, Deflated, Layout, Part, Strip, frame

_TOKENS = Buffer("tokens of a mask")
_STREAM = Buffer("stream of a mask")
_PIXELS_PER_TOKEN = 8  # with fewer a mask is noise, and filtering and searching do better


def encode_runs(
    labels: NDArray[np.unsignedinteger[Any]], grays: NDArray[np.uint8], scratch: Scratch
) -> list[Part] | None:
    """Encode the mask with these grays by label, or return None if it has too few runs."""
    found = deflate_runs(labels, grays, scratch)
    return found and frame(found.data, Layout(labels.shape[0], labels.shape[1], 1, 8))


def deflate_runs(
    labels: NDArray[np.unsignedinteger[Any]],
    grays: NDArray[np.uint8],
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated | None:
    """Deflate the mask with these grays by label, or return None if it has too few runs."""
    labels = labels[strip.first :]
    height, width = labels.shape
    is_wide = width >= page.WINDOW
    if is_wide and grays[0]:  # wide rows are compared with zeros
        return None
    room = int(height * width / _PIXELS_PER_TOKEN) + 4 * width + 64
    covered = height * (width + 1)
    # At most one word a token, and one more for every 258 bytes that are repeated.
    words = room + covered // 258 + 1000
    tokens = scratch.take(_TOKENS, (mask_tokens.CODE_WORDS + room,), np.int64)
    out = scratch.take(_STREAM, (8 * words,))
    tokenize = runs.tokenize_wide if is_wide else runs.tokenize
    count, adler = tokenize(labels, grays, tokens)
    if count < 0:
        return None
    stride = 2 if is_wide else width + 1
    size = mask_tokens.write(tokens, count, 1, stride, adler, strip.is_part, out)
    return Deflated(out[:size].data, adler, covered)
