"""Original and label map → human page: composed, filtered and deflated in one pass.

The right half of a page repeats the left half wherever nothing is painted, which the kernels know
and need not search for. Colourful originals go through `kernels.encode.page`, gray ones, which
repeat themselves in every pixel, through `kernels.encode.gray`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.deflate.stream import SYMBOLS
from ..kernels.encode import gray, page
from ..kernels.encode.page_tokens import CODE_WORDS
from ..kernels.encode.page_tokens import encode as encode_tokens
from ..layers.palette import Palette
from ..scratch import Buffer, Scratch
from .general import deflate
from .png import Deflated, Strip

_ROWS = Buffer("rows of a page")
_TOKENS = Buffer("tokens of a page")
_SEEN = Buffer("where pixels of a page were seen last")
_GRAY_ROWS = Buffer("rows of a page of grays")
_KINDS = Buffer("codes of tokens of a page")
_STREAM = Buffer("stream of a page")
_CODES = Buffer("codes of a page")
_CODE_PAIRS = Buffer("pairs of codes of a page")
_BAND = Buffer("filtered band of an original")

_FILTERS = (page.AVERAGE, page.PAETH)  # the best ones for photographs
_SAMPLED_ROWS = 16
_SAMPLED_BYTES = 1 << 19  # of wide rows fewer are sampled, but at least
_LEAST_ROWS = 3
_TRIAL_BYTES = 1 << 17
_PAYS = 0.7


def deflate_page(
    image: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
    strip: Strip,
) -> Deflated | None:
    """The page in one pass, or None if ISA-L makes a much shorter stream of it."""
    height, width = labels.shape
    pixels = image.reshape(height, 3 * width)
    pixels.setflags(write=False)  # a view of ours: one compiled kernel serves all originals
    stride = 6 * width + 4
    covered = (height - strip.first) * stride
    if 3 * width + 3 <= page.WINDOW and gray.is_gray(pixels):
        rows = scratch.take(_GRAY_ROWS, (gray.ROWS, 3 * width + 16))
        seen = scratch.take(_SEEN, (gray.SEEN,), np.int64)
        step = _sampling(height, 3 * width)
        kind = min(_FILTERS, key=lambda kind: gray.choose(pixels, kind, step, seen[:256], rows))
        tokens = scratch.take(_TOKENS, (height * stride,), np.int32)
        count, adler = gray.tokenize(
            pixels, labels, palette.colors, kind, strip.first, seen, rows, tokens
        )
        # No token takes more than a word.
        out = scratch.take(_STREAM, (count + 1000,), np.uint64)
        memory = scratch.take(_KINDS, (CODE_WORDS,), np.int64)
        size = encode_tokens(tokens[:count], adler, strip.is_part, memory, out)
        return Deflated(out.view(np.uint8)[:size].data, adler, covered)
    rows = scratch.take(_ROWS, (3, -(-(stride + 16) // 8) * 8))
    kind, counts = _best_filter(pixels, rows)
    if _searching_pays(pixels, kind, _bits(counts) / max(1, int(counts.sum())), scratch):
        return None
    rows[:] = 0
    # No code is longer than 13 bits.
    out = scratch.take(_STREAM, (height * stride * 13 // 64 + 1000,), np.uint64)
    size, adler = page.encode(
        pixels,
        labels,
        palette.colors,
        kind,
        counts,
        rows,
        rows.view(np.uint64),
        scratch.take(_CODES, (2, SYMBOLS), np.int64),
        scratch.take(_CODE_PAIRS, (1 << 16,), np.uint32),
        strip.first,
        strip.is_part,
        out,
    )
    return Deflated(out.view(np.uint8)[:size].data, adler, covered)


def _best_filter(
    pixels: NDArray[np.uint8], rows: NDArray[np.uint8]
) -> tuple[int, NDArray[np.int64]]:
    """The filter that leaves the least in a sample of rows, and the histogram of what it leaves."""
    step = _sampling(*pixels.shape)
    choices = []
    for kind in _FILTERS:
        counts = np.zeros(SYMBOLS, np.int64)
        rows[:, :8] = 0
        page.sample(pixels, kind, step, counts, rows)
        choices.append((_bits(counts), kind, counts))
    _, kind, counts = min(choices, key=lambda choice: choice[0])
    return kind, counts


def _sampling(height: int, stride: int) -> int:
    """How many rows there are for each one of a sample."""
    sampled = min(_SAMPLED_ROWS, max(_LEAST_ROWS, _SAMPLED_BYTES // stride))
    return max(1, height // sampled)


def _bits(counts: NDArray[np.int64]) -> float:
    """Entropy of all counted bytes together, in bits."""
    seen = counts[counts > 0]
    return float((seen * (np.log2(seen.sum()) - np.log2(seen))).sum())


def _searching_pays(
    pixels: NDArray[np.uint8], kind: int, bits_per_byte: float, scratch: Scratch
) -> bool:
    """Whether ISA-L makes a band of the original much shorter than codes for single bytes do."""
    height, stride = pixels.shape
    rows = min(height, max(1, min(_TRIAL_BYTES, pixels.size // 8) // stride))
    first = (height - rows) // 2
    filtered = scratch.take(_BAND, (rows, stride + 1))
    page.filter_band(pixels[first : first + rows], kind, filtered)
    found = len(deflate(filtered, is_part=False).data)
    return found < _PAYS * filtered.size * bits_per_byte / 8
