"""Pixels → PNG, whole or in strips.

Usual masks and pages are deflated by kernels that know where they repeat themselves, everything
else by ISA-L. A picture may be deflated in strips of rows, which need of each other only the row
above; `png.PngStream` joins them.
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..kernels.deflate.stream import SYMBOLS
from ..kernels.encode import gray, page, runs
from ..kernels.encode.filters import filter_up
from ..layers.palette import Palette
from ..scratch import Scratch
from .color import human_page, machine_mask
from .png import Deflated, Layout, Part, frame

_LEVEL = 1  # ISA-L's second-fastest; on masks and photographs hardly larger than its best
_SMALL_LEVEL = 3
_SMALL = 1 << 16
_RAW = -15  # window bits of a stream without zlib's header
_MOST_STORED = 0xFFFF  # bytes of a stored block
_FLUSH = 2  # Z_SYNC_FLUSH: end with a whole byte
_FILTERS = (page.AVERAGE, page.PAETH)  # the best ones for photographs
_SAMPLED_ROWS = 16
_SAMPLED_BYTES = 1 << 19  # of wide rows fewer are sampled, but at least
_LEAST_ROWS = 3
_TRIAL_BYTES = 1 << 17
_PAYS = 0.7
_PIXELS_PER_TOKEN = 8  # with fewer a mask is noise, and filtering and searching do better


class Strip(NamedTuple):
    """Which of the rows that an encoder is given it has to deflate.

    Attributes
    ----------
    first
        1 if the first row is only the one above the strip, else 0.
    is_part
        Whether it is a part of a longer stream, or a zlib stream by itself.
    """

    first: int
    is_part: bool


WHOLE = Strip(0, is_part=False)


def encode_png(pixels: NDArray[Any], scratch: Scratch | None = None) -> list[Part]:
    """Encode pixels.

    Parameters
    ----------
    pixels
        (height, width) gray or (height, width, 3) RGB, uint8 or uint16, C-contiguous.
    scratch
        Memory to reuse from call to call.

    Returns
    -------
    The file in parts; the same pixels give the same bytes.
    """
    return frame(deflate_pixels(pixels, scratch or Scratch()).data, Layout.of(pixels))


def deflate_pixels(pixels: NDArray[Any], scratch: Scratch, strip: Strip = WHOLE) -> Deflated:
    """Filter and deflate pixels of any kind that `encode_png` takes."""
    height = pixels.shape[0]
    if pixels.dtype.itemsize == 2:
        pixels = pixels.astype(">u2").view(np.uint8)
    stride = pixels.size // height
    filtered = scratch.take("filtered rows", (height, stride + 1))
    filter_up(pixels.reshape(height, stride), filtered)
    return _deflate(filtered[strip.first :], strip.is_part)


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
    return Layout(height, width, 1 if palette.is_gray else 3, 8 * palette.colors.dtype.itemsize)


def deflate_machine(
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated:
    """Deflate the machine mask of a label map."""
    colors = palette.colors
    if palette.is_gray and colors.dtype == np.uint8:
        found = _deflate_runs(labels, np.ascontiguousarray(colors[:, 0]), scratch, strip)
        if found is not None:
            return found
    return deflate_pixels(machine_mask(labels, palette, scratch), scratch, strip)


def encode_runs(
    labels: NDArray[np.unsignedinteger[Any]], grays: NDArray[np.uint8], scratch: Scratch
) -> list[Part] | None:
    """Encode the mask with these grays by label, or return None if it has too few runs."""
    found = _deflate_runs(labels, grays, scratch)
    return found and frame(found.data, Layout(labels.shape[0], labels.shape[1], 1, 8))


def _deflate_runs(
    labels: NDArray[np.unsignedinteger[Any]],
    grays: NDArray[np.uint8],
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated | None:
    """The mask by its runs, or None if it has too few."""
    labels = labels[strip.first :]
    height, width = labels.shape
    room = int(height * width / _PIXELS_PER_TOKEN) + 4 * width + 64
    covered = height * (width + 1)
    # At most one word a token, and one more for every 258 bytes that are repeated.
    words = room + covered // 258 + 1000
    tokens = scratch.take("tokens", (runs.CODE_WORDS + room,), np.int64)
    out = scratch.take("mask stream", (8 * words,))
    is_wide = width >= page.WINDOW
    size, adler = runs.deflate(labels, grays, is_wide, strip.is_part, tokens, out)
    if size < 0:
        return None
    return Deflated(out[:size].data, adler, covered)


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
    height, width = labels.shape
    found = _deflate_page(image.reshape(height, 3 * width), labels, palette, scratch, strip)
    if found is not None:
        return found
    return deflate_pixels(human_page(image, labels, palette, scratch), scratch, strip)


def _deflate_page(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
    strip: Strip = WHOLE,
) -> Deflated | None:
    """The page in one pass, or None if ISA-L makes a much shorter stream of it."""
    height, width = labels.shape
    pixels.setflags(write=False)  # a view of ours: one compiled kernel serves all originals
    stride = 6 * width + 4
    rows = scratch.take("page rows", (3, -(-(stride + 16) // 8) * 8))
    sampled = min(_SAMPLED_ROWS, max(_LEAST_ROWS, _SAMPLED_BYTES // (3 * width)))
    choices = []
    for kind in _FILTERS:
        counts = np.zeros(SYMBOLS, np.int64)
        rows[:, :8] = 0
        page.sample(pixels, kind, max(1, height // sampled), counts, rows)
        choices.append((_bits(counts), kind, counts))
    bits, kind, counts = min(choices, key=lambda choice: choice[0])
    covered = (height - strip.first) * stride
    if 3 * width + 3 <= page.WINDOW and gray.is_gray(pixels):
        rows[:] = 0
        tokens = scratch.take("page tokens", (height * stride,), np.int32)
        count, adler = gray.tokenize(
            pixels, labels, palette.colors, kind, rows, strip.first, tokens
        )
        # No token takes more than a word.
        out = scratch.take("page stream", (count + 1000,), np.uint64)
        size = gray.encode(tokens[:count], adler, strip.is_part, out)
        return Deflated(out.view(np.uint8)[:size].data, adler, covered)
    if _searching_pays(pixels, kind, bits / max(1, int(counts.sum())), scratch):
        return None
    rows[:] = 0
    # No code is longer than 13 bits.
    out = scratch.take("page stream", (height * stride * 13 // 64 + 1000,), np.uint64)
    size, adler = page.encode(
        pixels,
        labels,
        palette.colors,
        kind,
        counts,
        rows,
        rows.view(np.uint64),
        scratch.take("codes", (2, SYMBOLS), np.int64),
        scratch.take("code pairs", (1 << 16,), np.uint32),
        strip.first,
        strip.is_part,
        out,
    )
    return Deflated(out.view(np.uint8)[:size].data, adler, covered)


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
    filtered = scratch.take("filtered band", (rows, stride + 1))
    page.filter_band(pixels[first : first + rows], kind, filtered)
    found = len(_deflate(filtered, is_part=False).data)
    return found < _PAYS * filtered.size * bits_per_byte / 8


def _deflate(data: NDArray[np.uint8], is_part: bool) -> Deflated:
    """Compress by ISA-L, the same bytes every time.

    Its fastest levels are not repeatable on buffers of a few kilobytes.
    """
    level = _SMALL_LEVEL if data.size < _SMALL else _LEVEL
    if not is_part:
        return Deflated(isal_zlib.compress(data, level), 0, data.size)
    deflater = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW)
    stream = deflater.compress(data) + deflater.flush(_FLUSH)
    return Deflated(stream, isal_zlib.adler32(data), data.size)


def store_pixels(pixels: NDArray[Any], strip: Strip) -> Deflated:
    """The rows of a strip as deflate's stored blocks: for readers in this process, not files."""
    pixels = pixels[strip.first :]
    if pixels.dtype.itemsize == 2:
        pixels = pixels.astype(">u2").view(np.uint8)
    rows = pixels.reshape(pixels.shape[0], -1)
    lines = np.zeros((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 1:] = rows
    data = lines.reshape(-1).data
    blocks: list[Part] = []
    for at in range(0, len(data), _MOST_STORED):
        block = data[at : at + _MOST_STORED]
        blocks += [struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF), block]
    return Deflated(b"".join(blocks), isal_zlib.adler32(data), len(data))
