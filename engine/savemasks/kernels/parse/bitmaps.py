"""From the base64 of many small PNGs to packed masks, in one pass.

Only usual payloads: damaged ones, large ones and rare kinds are left to the caller.
"""

from typing import NamedTuple

import numpy as np

from ..deflate.huffman import new_codes
from ..deflate.inflate import inflate
from ..jit import Array, allocating_kernel, kernel
from ..memory import octets
from .scanlines import ALPHA, ANY, LOOKUP, Layout, row_bytes, unpack

# Payloads with more characters, bytes of PNG or bytes of scanlines are left to the caller, where
# ISA-L inflates them piece by piece.
_LARGEST_TEXT = 1 << 14
_LARGEST_PNG = 1 << 16  # at most the bytes that any PNG may have besides its pixels
_LARGEST_LINES = 1 << 21
_USUAL_LINES = 1 << 17

LEAST_ALPHA = 2
"""Thresholds from here on are those of alpha masks: gray levels are alpha, with tRNS or not."""

# Results for a payload.
DONE = 0
NO_ROOM = 1  # no room is left after the masks before it
NOT_TAKEN = 2


class _Scratch(NamedTuple):
    """Memory that all payloads of a call use one after the other."""

    raw: Array
    png: Array
    lines: Array
    visible: Array
    found: Array
    codes: Array


def _base64_table() -> Array:
    table = np.full(256, 64, np.uint8)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    table[list(alphabet)] = np.arange(64)
    return table


_BASE64 = _base64_table()


@kernel
def _base64_group(text: Array, at: int, count: int) -> int:
    """The bits of `count` characters; 2**24 or more if one is not of the alphabet."""
    value = wrong = 0
    for i in range(count):
        digit = int(_BASE64[text[np.uint64(at + i)]])
        wrong |= digit
        value = (value << 6) | (digit & 63)
    return value | (wrong >> 6) << 24


@kernel
def _decode_base64(text: Array, first: int, last: int, out: Array) -> int:
    """Decode characters first..last (excluded), as strictly as can be; -1 if there is a doubt."""
    if last == first or (last - first) & 3:
        return -1
    padding = 0
    if text[last - 1] == 61:  # =
        padding = 2 if text[last - 2] == 61 else 1
    whole = (last - first) // 4 - (padding > 0)
    wrong = 0
    for i in range(whole):
        value = _base64_group(text, first + 4 * i, 4)
        wrong |= value
        out[np.uint64(3 * i)] = (value >> 16) & 255
        out[np.uint64(3 * i + 1)] = (value >> 8) & 255
        out[np.uint64(3 * i + 2)] = value & 255
    size = 3 * whole
    if padding:
        value = _base64_group(text, last - 4, 4 - padding)
        # Bits that belong to no byte should be zeros.
        wrong |= value | (value & ((1 << 2 * padding) - 1)) << 24
        value >>= 2 * padding
        if padding == 1:
            out[size] = value >> 8
            size += 1
        out[size] = value & 255
        size += 1
    return -1 if wrong >> 24 else size


def _crc_tables() -> Array:
    """CRC-32 of every byte, followed by 0, 1, 2 or 3 zero bytes."""
    tables = np.zeros((4, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        tables[0] = np.where(tables[0] & 1, (tables[0] >> 1) ^ 0xEDB88320, tables[0] >> 1)
    for i in range(1, 4):
        tables[i] = tables[0][tables[i - 1] & 0xFF] ^ (tables[i - 1] >> 8)
    return tables


_CRC = _crc_tables()
_IHDR = 0x49484452
_PLTE = 0x504C5445
_TRNS = 0x74524E53
_IDAT = 0x49444154
_IEND = 0x49454E44


@kernel
def _read(data: Array, at: int, count: int) -> int:
    """Read a number of `count` bytes, the highest byte first."""
    value = 0
    for i in range(count):
        value = (value << 8) | int(data[np.uint64(at + i)])
    return value


@kernel
def _is_intact(data: Array, first: int, last: int) -> bool:
    """Whether bytes first..last (excluded) have the checksum that follows them."""
    crc = 0xFFFFFFFF
    at = first
    while at + 4 <= last:
        # Four bytes in one step ("slicing"): each as if it were followed by those after it.
        word = crc
        for i in range(4):
            word ^= int(data[np.uint64(at + i)]) << (8 * i)
        crc = 0
        for i in range(4):
            crc ^= int(_CRC[3 - i, np.uint64((word >> (8 * i)) & 0xFF)])
        at += 4
    for i in range(at, last):
        crc = int(_CRC[0, np.uint64((crc ^ int(data[np.uint64(i)])) & 0xFF)]) ^ (crc >> 8)
    is_same: bool = crc ^ 0xFFFFFFFF == _read(data, last, 4)
    return is_same


@kernel
def _is_png(data: Array, size: int) -> bool:
    return size >= 57 and _read(data, 0, 4) == 0x89504E47 and _read(data, 4, 4) == 0x0D0A1A0A


@kernel
def _read_header(png: Array, limit: int, threshold: int) -> Layout:
    """Layout of the pixels; its height is 0 for rare kinds of PNG."""
    other = Layout(0, 0, 0, 0, 0, 0)
    width = _read(png, 16, 4)
    height = _read(png, 20, 4)
    depth = _read(png, 24, 1)
    colour = _read(png, 25, 1)
    if _read(png, 12, 4) != _IHDR or png[26] or png[27] or png[28]:
        return other
    if width == 0 or height == 0 or width > limit or width * height > limit:
        return other
    if colour in (0, 3) and depth in (1, 2, 4, 8):
        channels, mode = 1, LOOKUP
    elif colour == 2 and depth == 8:
        channels, mode = 3, ANY
    elif colour in (4, 6) and depth == 8:
        channels, mode = colour - 2, ALPHA
    else:
        return other
    return Layout(height, width, depth, channels, mode, threshold)


@kernel
def _find_chunks(png: Array, size: int, found: Array) -> bool:
    """Note where the palette (0), transparency (1) and pixels (2) of a PNG are: first, last.

    Pixels in several chunks are moved together. False if anything is damaged or out of order.
    """
    for i in range(3):
        found[i, 0] = found[i, 1] = 0
    at = 8
    while at + 12 <= size:
        length = _read(png, at, 4)
        name = _read(png, at + 4, 4)
        end = at + 8 + length
        if end + 4 > size or not _is_intact(png, at + 4, end):
            return False
        if name == _IEND:
            return bool(found[2, 1])
        if name == _IDAT:
            if found[2, 1] == 0:
                found[2, 0] = found[2, 1] = at + 8
            else:
                for i in range(length):
                    png[found[2, 1] + i] = png[at + 8 + i]
            found[2, 1] += length
        elif name in (_PLTE, _TRNS):
            i = 0 if name == _PLTE else 1
            if found[i, 1] or found[2, 1]:
                return False
            found[i, 0] = at + 8
            found[i, 1] = end
        at = end + 4
    return False


@kernel
def _look(data: Array, colour: int, depth: int, threshold: int, found: Array, out: Array) -> None:
    """Find the palette entries or gray levels that belong to the mask."""
    palette, palette_end = found[0, 0], found[0, 1]
    alpha, alpha_end = found[1, 0], found[1, 1]
    for i in range(1 << depth):
        if colour == 0:
            level = i * (255 // ((1 << depth) - 1))
            out[i] = level >= threshold
        elif alpha_end:
            out[i] = alpha + i >= alpha_end or data[alpha + i] >= threshold
        else:
            out[i] = False
            for j in range(palette + 3 * i, min(palette + 3 * i + 3, palette_end)):
                out[i] = out[i] or data[j] >= threshold


@allocating_kernel
def _decode_one(
    text: Array,
    first: int,
    last: int,
    threshold: int,
    limit: int,
    scratch: _Scratch,
    bits: Array,
    used: int,
) -> tuple[int, int, int]:
    """Decode characters first..last (excluded) of `text`; return the status, height and width."""
    not_taken = NOT_TAKEN, 0, 0
    png, found = scratch.raw, scratch.found
    size = _decode_base64(text, first, last, png) if last - first <= _LARGEST_TEXT else -1
    if size < 0:
        return not_taken
    if not _is_png(png, size):
        size = inflate(png, 0, size, scratch.png, scratch.codes)
        png = scratch.png
        if not _is_png(png, size):
            return not_taken
    layout = _read_header(png, limit, threshold)
    height, width = layout.height, layout.width
    inflated = height * (1 + row_bytes(layout))
    if height == 0 or inflated > _LARGEST_LINES:
        return not_taken
    if height * ((width + 7) >> 3) > bits.size - used:
        return (NO_ROOM if used else NOT_TAKEN), 0, 0
    if not _find_chunks(png, size, found):
        return not_taken
    colour = _read(png, 25, 1)
    if colour == 3 and not found[0, 1]:
        return not_taken
    # A transparent colour is rare, but the gray levels of an alpha mask are its alpha anyway.
    if found[1, 1] and (colour == 2 or (colour == 0 and threshold < LEAST_ALPHA)):
        return not_taken
    is_usual = inflated <= scratch.lines.size
    lines = scratch.lines[:inflated] if is_usual else octets(inflated)
    if inflate(png, found[2, 0], found[2, 1], lines, scratch.codes) != inflated:
        return not_taken
    if layout.mode == LOOKUP:
        _look(png, colour, layout.depth, threshold, found, scratch.visible)
    is_good = unpack(lines, layout, scratch.visible, bits, used)
    return (DONE if is_good else NOT_TAKEN), height, width


@allocating_kernel
def decode(
    text: Array,
    spans: Array,
    first: int,
    limit: int,
    most: int,
    start: Array,
    shape: Array,
    bits: Array,
) -> tuple[int, int, int]:
    """Decode payloads from number `first` on, up to one that has to wait or is not taken.

    Parameters
    ----------
    text
        (characters,) uint8: what the payloads lie in.
    spans
        (b, 3) int64: first and last (excluded) character of each, and its threshold.
    limit, most
        Most pixels that a picture may have, and all of them together.
    start, shape
        The result, as in `shapes.Masks`: (b + 1,) and (b, 2) int64.
    bits
        (room,) uint8, the result: the masks from number `first` on.

    Returns
    -------
    int
        The number of the payload that stopped it, b if there is none.
    int
        The result for this one: `DONE`, `NO_ROOM` or `NOT_TAKEN`.
    int
        How many bytes of `bits` are used.
    """
    scratch = _Scratch(
        octets(_LARGEST_TEXT // 4 * 3),
        octets(_LARGEST_PNG),
        octets(_USUAL_LINES),
        np.zeros(256, np.bool_),
        np.zeros((3, 2), np.int64),
        new_codes(),
    )
    used = 0
    for i in range(first, spans.shape[0]):
        begin, end, threshold = spans[i, 0], spans[i, 1], spans[i, 2]
        status, height, width = _decode_one(
            text, begin, end, threshold, min(limit, most), scratch, bits, used
        )
        if status != DONE:
            return i, status, used
        shape[i, 0] = height
        shape[i, 1] = width
        size = height * ((width + 7) >> 3)
        start[i + 1] = start[i] + size
        used += size
        most -= height * width
    return spans.shape[0], DONE, used
