"""Everyday PNGs → RGB: chunks checked here, inflated by ISA-L, unfiltered by a kernel."""

import struct
from collections.abc import Iterator

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from .headers import Header, exif_orientation
from .kernels.unfilter import to_rgb
from .scratch import Scratch

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = _SIGNATURE + b"\0\0\0\rIHDR"
_PIXELS = 33  # where the chunks behind IHDR begin
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GRAY: 1, _RGB: 3, _PALETTE: 1, _GRAY_ALPHA: 2, _RGBA: 4}
_DEPTHS = {
    _GRAY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GRAY_ALPHA: (8, 16),
    _RGBA: (8, 16),
}
_MOST_PIXELS_ON_AXIS = 10_000_000  # of libvips
_MOST_CHUNK_BYTES = 1 << 22  # of chunks that are not pixels
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_RAW_PROFILE = b"Raw profile type"  # by some programs EXIF data in a text
# Chunks that change neither size nor pixels, and whose damage nobody minds.
_HARMLESS = {b"bKGD", b"cHRM", b"gAMA", b"iCCP", b"pHYs", b"sBIT", b"sRGB", b"tIME", b"tRNS"}

_InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says Exception


def read_header(data: bytes) -> Header | None:
    """Read the header of a PNG, or of the first part of one; None if anything is unusual.

    That is all up to the pixels.
    """
    if data[:16] != _START or len(data) < _PIXELS:
        return None
    width, height, depth, colour, compression, filters, interlace, checksum = struct.unpack_from(
        ">IIBBBBBI", data, 16
    )
    if (
        not 0 < width <= _MOST_PIXELS_ON_AXIS
        or not 0 < height <= _MOST_PIXELS_ON_AXIS
        or depth not in _DEPTHS.get(colour, ())
        or compression
        or filters
        or interlace > 1
        or isal_zlib.crc32(data[12:29]) != checksum
    ):
        return None
    orientation = None
    palettes = 0
    for name, first, last in _chunks(data, _PIXELS):
        if name == b"IDAT":
            return Header(height, width, orientation or 1) if palettes or colour != 3 else None
        if last + 4 > len(data) or last - first > _MOST_CHUNK_BYTES:
            return None
        if name == b"PLTE":
            if palettes or not _is_palette(data, first, last, depth, colour):
                return None
            palettes += 1
        elif name == b"eXIf":
            if orientation is not None or not _is_intact(data, first, last):
                return None
            orientation = exif_orientation(data[first:last])
            if orientation is None:
                return None
        elif name in _TEXTS:
            if data.startswith(_RAW_PROFILE, first):
                return None
        elif name not in _HARMLESS:
            return None
    return None


def decode(data: bytes, header: Header, scratch: Scratch) -> NDArray[np.uint8] | None:
    """Decode a PNG whose header `read_header` has found sound; None if anything is unusual.

    16-bit and interlaced pictures are, too.

    Returns
    -------
    (height, width, 3) uint8 RGB as stored, in memory of `scratch`.
    """
    height, width, _ = header
    depth, colour, interlace = data[24], data[25], data[28]
    if depth > 8 or interlace:
        return None
    channels = _CHANNELS[colour]
    palette, compressed = _contents(data)
    if compressed is None:
        return None
    stride = (width * depth * channels + 7) >> 3
    raw = _inflate(compressed, height * (stride + 1))
    if raw is None:
        return None
    table = _table(depth, palette if colour == _PALETTE else None)
    lines = scratch.take("png lines", (2, 3 * width))
    out: NDArray[np.uint8] = scratch.take("original", (height, 3 * width))
    if not to_rgb(np.frombuffer(raw, np.uint8), depth, channels, table, lines, out):
        return None
    return out.reshape(height, width, 3)


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, first and last (excluded) byte of every chunk; the last one may reach beyond `data`."""
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        at += 8
        yield name, at, at + length
        at += length + 4


def _is_intact(data: bytes, first: int, last: int) -> bool:
    """Whether a chunk has the checksum that follows it."""
    if last + 4 > len(data):
        return False
    checksum: int = isal_zlib.crc32(memoryview(data)[first - 4 : last])
    return checksum.to_bytes(4) == data[last : last + 4]


def _is_palette(data: bytes, first: int, last: int, depth: int, colour: int) -> bool:
    most = 1 << depth if colour == _PALETTE else 256
    return (
        colour in (_RGB, _PALETTE, _RGBA)
        and 0 < last - first <= 3 * most
        and (last - first) % 3 == 0
        and _is_intact(data, first, last)
    )


def _contents(data: bytes) -> tuple[bytes, bytes | memoryview | None]:
    """Palette and compressed pixels, None for these if they are damaged."""
    palette = b""
    parts: list[memoryview] = []
    view = memoryview(data)
    for name, first, last in _chunks(data, _PIXELS):
        if name == b"IDAT":
            if not _is_intact(data, first, last):
                return palette, None
            parts.append(view[first:last])
        elif parts:
            break
        elif name == b"PLTE":
            palette = data[first:last]
    return palette, parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(compressed: bytes | memoryview, size: int) -> bytes | None:
    """Exactly `size` bytes, and no more memory than that; None if the stream is anything else."""
    if len(compressed) < 6:
        return None
    # ISA-L looks back as far as it likes; others only as far as the stream promises.
    if compressed[0] & 15 != 8 or (256 << (compressed[0] >> 4) < size and compressed[0] >> 4 != 7):
        return None
    stream = isal_zlib.decompressobj()
    try:
        raw: bytes = stream.decompress(compressed, size + 1)
    except _InflateError:
        return None
    return raw if stream.eof and len(raw) == size and not stream.unused_data else None


def _table(depth: int, palette: bytes | None) -> NDArray[np.uint8]:
    """Colours of all samples: those of the palette, or else grays from black to white."""
    table = np.zeros((256, 3), np.uint8)
    if palette is None:
        levels = 1 << depth
        table[:levels] = np.arange(levels)[:, None] * (255 // (levels - 1))
    else:
        colors = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        table[: len(colors)] = colors
    return table
