"""Pixels of any kind → PNG: filtered by a kernel, deflated by ISA-L.

The encoder that takes everything. `machine` and `human` are faster on what they know, and leave
the rest to this one.
"""

import struct
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..kernels.encode.filters import filter_up
from ..scratch import Buffer, Scratch
from .png import WHOLE, Deflated, Layout, Part, Strip, frame

_FILTERED = Buffer("filtered rows")
_LEVEL = 1  # ISA-L's second-fastest; on masks and photographs hardly larger than its best
_SMALL_LEVEL = 3
_SMALL = 1 << 16
_RAW = -15  # window bits of a stream without zlib's header
_FLUSH = 2  # Z_SYNC_FLUSH: end with a whole byte
_MOST_STORED = 0xFFFF  # bytes of a stored block


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
    filtered = scratch.take(_FILTERED, (height, stride + 1))
    filter_up(pixels.reshape(height, stride), filtered)
    return deflate(filtered[strip.first :], is_part=strip.is_part)


def deflate(data: NDArray[np.uint8], *, is_part: bool) -> Deflated:
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
