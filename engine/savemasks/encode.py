"""Pixels → PNG, framed here and deflated by ISA-L."""

import struct
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from .kernels.png import filter_up
from .scratch import Scratch

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # by channels: gray, RGB
_LEVEL = 1  # ISA-L's second-fastest; on masks and photographs hardly larger than its best
_MAX_CHUNK = (1 << 31) - 1


def encode_png(pixels: NDArray[Any], scratch: Scratch | None = None) -> list[bytes]:
    """Encode pixels.

    Parameters
    ----------
    pixels
        (height, width) gray or (height, width, 3) RGB, uint8 or uint16, C-contiguous.
    scratch
        Memory to reuse from call to call.

    Returns
    -------
    The file in parts, to be written one after the other; the same pixels give the same bytes.
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
    stream: Any = isal_zlib.compress(filtered, _LEVEL)
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [_SIGNATURE, *_chunk(b"IHDR", header)]
    for at in range(0, len(stream), _MAX_CHUNK):
        # A slice of everything would be a copy.
        part = stream if len(stream) <= _MAX_CHUNK else stream[at : at + _MAX_CHUNK]
        parts += _chunk(b"IDAT", part)
    return [*parts, *_chunk(b"IEND", b"")]


def _chunk(name: bytes, data: bytes) -> list[bytes]:
    """Length, name, data and checksum."""
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(name))
    return [struct.pack(">I4s", len(data), name), data, struct.pack(">I", checksum)]
