"""Usual PNGs → RGB: chunks are checked here, ISA-L inflates, and a kernel undoes the filters."""

import struct
from collections.abc import Iterator

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..kernels.pictures.unfilter import to_rgb
from ..scratch import Buffer, Scratch
from .headers import ORIGINAL, Header, UnusualError, exif_orientation

_LINES = Buffer("two rows of a PNG")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = _SIGNATURE + b"\0\0\0\rIHDR"
_BEHIND_IHDR = 33  # where the other chunks begin
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
_RAW_PROFILE = b"Raw profile type"  # some programs store EXIF data in such a text
# Chunks that change neither size nor pixels. Damage in them is ignored.
_HARMLESS = {b"bKGD", b"cHRM", b"gAMA", b"iCCP", b"pHYs", b"sBIT", b"sRGB", b"tIME", b"tRNS"}

_InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says Exception


def read_header(data: bytes) -> Header:
    """Read the header of a PNG, or of the first part of one, up to its pixels.

    Raises `UnusualError`.
    """
    if data[:16] != _START or len(data) < _BEHIND_IHDR or not _is_intact(data, 16, 29):
        raise UnusualError
    width, height, depth, colour, compression, filters, interlace = struct.unpack_from(
        ">IIBBBBB", data, 16
    )
    if (
        not 0 < width <= _MOST_PIXELS_ON_AXIS
        or not 0 < height <= _MOST_PIXELS_ON_AXIS
        or depth not in _DEPTHS.get(colour, ())
        or compression
        or filters
        or interlace > 1
    ):
        raise UnusualError
    size = height * (_stride(width, depth, colour) + 1)
    return Header(height, width, _orientation(data, depth, colour, size))


def decode(data: bytes, header: Header, scratch: Scratch) -> NDArray[np.uint8]:
    """Decode a PNG whose header `read_header` has found sound.

    Returns
    -------
    (height, width, 3) uint8 RGB as stored, in memory of `scratch`.

    Raises
    ------
    UnusualError
        If it is damaged, or for 16-bit samples and interlacing.
    """
    height, width, _ = header
    depth, colour, interlace = data[24], data[25], data[28]
    if depth > 8 or interlace:
        raise UnusualError
    palette, compressed = _contents(data)
    size = height * (_stride(width, depth, colour) + 1)
    raw = np.frombuffer(_inflate(compressed, size), np.uint8)
    table = _table(depth, palette if colour == _PALETTE else None)
    lines = scratch.take(_LINES, (2, 3 * width))
    out: NDArray[np.uint8] = scratch.take(ORIGINAL, (height, 3 * width))
    if not to_rgb(raw, depth, _CHANNELS[colour], table, lines, out):
        raise UnusualError
    return out.reshape(height, width, 3)


def decode_gray(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Decode a gray PNG of 8 bits whose rows have no filters, as those of machine masks.

    Returns
    -------
    (height, width) uint8 as stored.

    Raises
    ------
    UnusualError
        If it is damaged or of another kind.
    """
    height, width, _ = header
    if data[24] != 8 or data[25] != _GRAY or data[28]:
        raise UnusualError
    _, compressed = _contents(data)
    rows = np.frombuffer(_inflate(compressed, height * (width + 1)), np.uint8)
    rows = rows.reshape(height, width + 1)
    if rows[:, 0].any():
        raise UnusualError
    return rows[:, 1:]


def _stride(width: int, depth: int, colour: int) -> int:
    """Bytes of a row without its filter."""
    return (width * depth * _CHANNELS[colour] + 7) >> 3


def _orientation(data: bytes, depth: int, colour: int, size: int) -> int:
    """Walk from chunk to chunk up to the pixels, `size` bytes, looking for EXIF data."""
    found: list[int] = []
    palettes = 0
    for name, first, last in _chunks(data, _BEHIND_IHDR):
        if name == b"IDAT":
            # libpng refuses a chunk that is longer than its pixels can need.
            if last - first > max(size, _MOST_CHUNK_BYTES):
                raise UnusualError
            if palettes > 1 or len(found) > 1 or (colour == _PALETTE and not palettes):
                raise UnusualError
            return found[0] if found else 1
        if last + 4 > len(data) or last - first > _MOST_CHUNK_BYTES:
            raise UnusualError
        if name == b"PLTE" and _is_palette(data, first, last, depth, colour):
            palettes += 1
        elif name == b"eXIf" and _is_intact(data, first, last):
            found.append(exif_orientation(data[first:last]))
        elif name in _TEXTS and not data.startswith(_RAW_PROFILE, first):
            continue
        elif name not in _HARMLESS:
            raise UnusualError
    raise UnusualError


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


def _contents(data: bytes) -> tuple[bytes, bytes | memoryview]:
    """Palette and compressed pixels."""
    palette = b""
    parts: list[memoryview] = []
    view = memoryview(data)
    for name, first, last in _chunks(data, _BEHIND_IHDR):
        if name == b"IDAT":
            if not _is_intact(data, first, last):
                raise UnusualError
            parts.append(view[first:last])
        elif parts:
            break
        elif name == b"PLTE":
            palette = data[first:last]
    return palette, parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(compressed: bytes | memoryview, size: int) -> bytes:
    """Inflate exactly `size` bytes, in no more memory; raises `UnusualError` for any other size."""
    if len(compressed) < 2 or compressed[0] & 15 != 8:
        raise UnusualError
    # Other decoders allow distances only up to the window in the header; ISA-L does not check it.
    window = 256 << (compressed[0] >> 4)
    if window != 1 << 15 and window < size:
        raise UnusualError
    stream = isal_zlib.decompressobj()
    try:
        raw: bytes = stream.decompress(compressed, size + 1)
    except _InflateError as error:
        raise UnusualError from error
    if not stream.eof or len(raw) != size or stream.unused_data:
        raise UnusualError
    return raw


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
