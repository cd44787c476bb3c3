"""PNG files around deflated pixels: at once, or strip by strip while the pixels are made."""

import functools
import struct
from typing import Any, NamedTuple

from isal import isal_zlib
from numpy.typing import NDArray

Part = bytes | memoryview
"""A piece of a file. Pieces follow each other, and may lie in scratch memory: they are void once
that is used again."""

MOST_ROW_BYTES = (1 << 31) - 1
"""What libraries that read PNG take for the bytes of a row; the standard has no limit."""
MAX_SIDE = (1 << 31) - 1
"""The longest side of a PNG."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels: gray, RGB, RGBA
_INDEXED = 3
_MAX_CHUNK = (1 << 31) - 1
_ZLIB_HEADER = b"\x78\x01"
_LAST_BLOCK = b"\x03\x00"  # of fixed codes, empty
_MODULUS = 65521  # of Adler-32


class Layout(NamedTuple):
    """What a PNG is: its size in pixels, 1 (gray) or 3 (RGB) channels, 8 or 16 bits a sample.

    With a palette, the bytes of a PLTE chunk, its one channel of 8 bits is the index of a colour.
    Four channels are the bytes of a number of 32 bits, the lowest first, on their way to a TIFF.
    """

    height: int
    width: int
    channels: int
    depth: int
    palette: bytes = b""

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> "Layout":
        """The layout of pixels (height, width) or (height, width, 3), uint8 or uint16."""
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        return cls(pixels.shape[0], pixels.shape[1], channels, 8 * pixels.dtype.itemsize)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row without its filter."""
        return self.width * self.channels * self.depth // 8


class Deflated(NamedTuple):
    """Compressed bytes, and Adler-32 and number of those they were made of."""

    data: Part
    adler: int
    size: int


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


class PngStream:
    """A PNG that is made strip by strip. The same strips give the same bytes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._adler = 1

    def begin(self) -> list[Part]:
        """What goes before the strips."""
        return [_head(self._layout), *_chunk(b"IDAT", _ZLIB_HEADER)]

    def strip(self, strip: Deflated) -> list[Part]:
        """The parts of the next strip; it must be a part of a stream, not a zlib stream."""
        self._adler = _join(self._adler, strip.adler, strip.size)
        return _pixels(strip.data)

    def end(self) -> list[Part]:
        """What goes behind them."""
        return [*_chunk(b"IDAT", _LAST_BLOCK + self._adler.to_bytes(4)), _END]


def frame(stream: Part, layout: Layout) -> list[Part]:
    """A PNG around a zlib stream."""
    return [_head(layout), *_pixels(stream), _END]


@functools.lru_cache(64)  # pictures of one data set are mostly alike
def _head(layout: Layout) -> bytes:
    height, width, channels, depth, palette = layout
    kind = _INDEXED if palette else _COLOUR_TYPES[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    colors = _chunk(b"PLTE", palette) if palette else []
    return b"".join([_SIGNATURE, *_chunk(b"IHDR", header), *colors])


def _pixels(stream: Part) -> list[Part]:
    """As many IDAT chunks as it takes."""
    stream = memoryview(stream)  # whose slices are no copies
    starts = range(0, len(stream), _MAX_CHUNK)
    return [part for at in starts for part in _chunk(b"IDAT", stream[at : at + _MAX_CHUNK])]


def _chunk(name: bytes, data: Part) -> list[Part]:
    """Length, name, data and checksum."""
    checksum = isal_zlib.crc32(data, _NAMES[name])
    return [_HEAD.pack(len(data), name), data, checksum.to_bytes(4)]


_HEAD = struct.Struct(">I4s")
_NAMES: dict[bytes, int] = {
    name: isal_zlib.crc32(name) for name in (b"IHDR", b"PLTE", b"IDAT", b"IEND")
}
_END = b"".join(_chunk(b"IEND", b""))


def _join(first: int, second: int, size: int) -> int:
    """Adler-32 of two stretches of bytes; the second one is `size` long."""
    low, high = first & 0xFFFF, first >> 16
    joined_low = (low + (second & 0xFFFF) - 1) % _MODULUS
    joined_high = (high + (second >> 16) + size * (low - 1)) % _MODULUS
    return joined_high << 16 | joined_low
