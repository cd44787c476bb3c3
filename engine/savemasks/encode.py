"""Pixels → PNG, framed here.

Usual masks and pages are deflated by kernels that know where they repeat themselves, everything
else by ISA-L.
"""

import struct
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from .color import human_page, machine_mask
from .kernels import gray, page, runs
from .kernels.deflate import SYMBOLS
from .kernels.png import filter_up
from .palette import Palette
from .scratch import Scratch

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # by channels: gray, RGB
_LEVEL = 1  # ISA-L's second-fastest; on masks and photographs hardly larger than its best
_SMALL_LEVEL = 3
_SMALL = 1 << 16
_MAX_CHUNK = (1 << 31) - 1
_WINDOW = 32768  # how far back deflate reaches
_FILTERS = (page.AVERAGE, page.PAETH)  # the best ones for photographs
_SAMPLED_ROWS = 16
_TRIAL_BYTES = 1 << 17
_PAYS = 0.7
_PIXELS_PER_TOKEN = 8  # with fewer a mask is noise, and filtering and searching do better
_NO_PAIRS = np.zeros(0, np.uint32)

Part = bytes | memoryview
"""A piece of a file. Pieces follow each other, and may lie in scratch memory: they are void once
that is used again."""


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
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    depth = 8 * pixels.dtype.itemsize
    if depth == 16:
        pixels = pixels.astype(">u2").view(np.uint8)
    stride = width * channels * depth // 8
    shape = (height, stride + 1)
    filtered = (scratch or Scratch()).take("filtered rows", shape)
    filter_up(pixels.reshape(height, stride), filtered)
    stream = _deflate(filtered)
    return _frame(stream, width, height, depth, _COLOUR_TYPES[channels])


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
    scratch = scratch or Scratch()
    colors = palette.colors
    if palette.is_gray and colors.dtype == np.uint8:
        parts = encode_runs(labels, np.ascontiguousarray(colors[:, 0]), scratch)
        if parts is not None:
            return parts
    return encode_png(machine_mask(labels, palette, scratch), scratch)


def encode_runs(
    labels: NDArray[np.unsignedinteger[Any]], grays: NDArray[np.uint8], scratch: Scratch
) -> list[Part] | None:
    """Encode the mask with these grays by label, or return None if it has too few runs."""
    height, width = labels.shape
    if width >= _WINDOW:
        return None
    room = int(height * width / _PIXELS_PER_TOKEN) + 4 * width + 64
    tokens = scratch.take("tokens", (room,), np.int64)
    count, adler = runs.tokenize(labels, grays, tokens)
    if count < 0:
        return None
    # At most one word a token, and one more for every 258 bytes that are repeated.
    words = count + height * (width + 1) // 258 + 1000
    out = scratch.take("mask stream", (words,), np.uint64)
    codes = scratch.take("run codes", (3, SYMBOLS), np.int64)
    size = runs.encode(tokens[:count], width + 1, adler, codes, _NO_PAIRS, out)
    return _frame(out.view(np.uint8)[:size].data, width, height, 8, _COLOUR_TYPES[1])


def encode_human(
    image: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch | None = None,
) -> list[Part]:
    """Compose and encode a human page in one pass, or in two where that is better.

    The result is that of `color_human` and `encode_png`, in other bytes. A page whose halves are
    too far apart for deflate, or whose original repeats itself so much that searching pays, goes
    the general way.

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
    height, width = labels.shape
    scratch = scratch or Scratch()
    stream = None
    if 3 * width + 3 <= _WINDOW:
        stream = _deflate_page(image.reshape(height, 3 * width), labels, palette, scratch)
    if stream is None:
        return encode_png(human_page(image, labels, palette, scratch), scratch)
    return _frame(stream, 2 * width + 1, height, 8, _COLOUR_TYPES[3])


def _deflate_page(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    scratch: Scratch,
) -> memoryview | None:
    """The page as a zlib stream, or None if ISA-L makes a much shorter one."""
    height, width = labels.shape
    pixels.flags.writeable = False  # a view of ours: one compiled kernel serves all originals
    stride = 6 * width + 4
    rows = scratch.take("page rows", (3, -(-(stride + 16) // 8) * 8))
    choices = []
    for kind in _FILTERS:
        counts = np.zeros(SYMBOLS, np.int64)
        rows[:, :8] = 0
        page.sample(pixels, kind, max(1, height // _SAMPLED_ROWS), counts, rows)
        choices.append((_bits(counts), kind, counts))
    bits, kind, counts = min(choices, key=lambda choice: choice[0])
    if gray.is_gray(pixels):
        rows[:] = 0
        tokens = scratch.take("page tokens", (height * stride,), np.int32)
        count, adler = gray.tokenize(pixels, labels, palette.colors, kind, rows, tokens)
        # No token takes more than a word.
        out = scratch.take("page stream", (count + 1000,), np.uint64)
        return out.view(np.uint8)[: gray.encode(tokens[:count], adler, out)].data
    if _searching_pays(pixels, kind, bits / max(1, int(counts.sum())), scratch):
        return None
    rows[:] = 0
    # No code is longer than 13 bits.
    out = scratch.take("page stream", (height * stride * 13 // 64 + 1000,), np.uint64)
    size = page.encode(
        pixels,
        labels,
        palette.colors,
        kind,
        counts,
        rows,
        rows.view(np.uint64),
        scratch.take("codes", (2, SYMBOLS), np.int64),
        scratch.take("code pairs", (1 << 16,), np.uint32),
        out,
    )
    return out.view(np.uint8)[:size].data


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
    found = len(_deflate(filtered))
    return found < _PAYS * filtered.size * bits_per_byte / 8


def _deflate(data: NDArray[np.uint8]) -> bytes:
    """Compress by ISA-L, the same bytes every time.

    Its fastest levels are not repeatable on buffers of a few kilobytes.
    """
    level = _SMALL_LEVEL if data.size < _SMALL else _LEVEL
    return bytes(isal_zlib.compress(data, level))


def _frame(stream: Part, width: int, height: int, depth: int, colour_type: int) -> list[Part]:
    """A PNG around a zlib stream."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts: list[Part] = [_SIGNATURE, *_chunk(b"IHDR", header)]
    stream = memoryview(stream)  # whose slices are no copies
    for at in range(0, len(stream), _MAX_CHUNK):
        parts += _chunk(b"IDAT", stream[at : at + _MAX_CHUNK])
    return [*parts, *_END]


def _chunk(name: bytes, data: Part) -> list[Part]:
    """Length, name, data and checksum."""
    checksum = isal_zlib.crc32(data, _NAMES[name])
    return [_HEAD.pack(len(data), name), data, checksum.to_bytes(4)]


_HEAD = struct.Struct(">I4s")
_NAMES: dict[bytes, int] = {name: isal_zlib.crc32(name) for name in (b"IHDR", b"IDAT", b"IEND")}
_END = _chunk(b"IEND", b"")
