"""Inflate (RFC 1951) and its zlib wrapping (RFC 1950), for the masks of one annotation.

A library call takes longer than inflating a stream of a few hundred bytes, and releases Python's
lock each time. A mask of some kilobytes consists mostly of long matches, which any loop copies as
fast as a library. `huffman` has the codes.

This code refuses what zlib refuses: too many codes or too few, distances that reach before the
output, wrong checksums, a cut stream. Whatever the input is, indices stay inside their arrays and
all loops end: every step takes bits of the input. A few bits past its end are read as zeros.
"""

from typing import NamedTuple

import numpy as np

from ..jit import Array, kernel
from .huffman import (
    DISTANCE,
    FIXED_DISTANCE,
    FIXED_LITERAL,
    LENGTH,
    LENGTHS,
    LITERAL,
    REFUSED,
    TABLE,
    USED,
    find_long,
    fit,
)

_END = 256

# Bits after a length or distance symbol, and what is added to them.
_LENGTH_BITS = np.array([0] * 8 + [b for b in range(1, 6) for _ in range(4)] + [0], np.int64)
_LENGTH_BASE = np.append(3 + np.cumsum(1 << _LENGTH_BITS[:28]) - (1 << _LENGTH_BITS[:28]), 258)
_DISTANCE_BITS = np.array([0] * 4 + [b for b in range(1, 14) for _ in range(2)], np.int64)
_DISTANCE_BASE = 1 + np.cumsum(1 << _DISTANCE_BITS) - (1 << _DISTANCE_BITS)
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)


_SYMBOL_BITS = 15  # most that a symbol takes
_MATCH_BITS = 5 + 15 + 13  # ... and what follows that of a length


class _Bits(NamedTuple):
    """A position in the input: the next byte, and the bits before it that are not yet used."""

    at: int
    waiting: int
    fill: int


@kernel
def _read(data: Array, at: int, count: int) -> int:
    """Read a number of `count` bytes, the lowest byte first."""
    value = 0
    for i in range(count):
        value |= int(data[np.uint64(at + i)]) << (8 * i)
    return value


@kernel
def _fill(data: Array, last: int, bits: _Bits, needed: int) -> _Bits:
    """Make at least `needed` bits ready, 48 at most; zeros after the end."""
    at, waiting, fill = bits
    if fill >= needed:
        return bits
    more = _read(data, at, 6) if at + 6 <= last else _read(data, at, last - at)
    count = (55 - fill) >> 3  # 1 to 6 bytes
    more &= (1 << (8 * count)) - 1
    return _Bits(at + count, waiting | (more << fill), fill + 8 * count)


@kernel
def _take(bits: _Bits, count: int) -> tuple[int, _Bits]:
    """Take the next few bits that are ready."""
    value = bits.waiting & ((1 << count) - 1)
    return value, _Bits(bits.at, bits.waiting >> count, bits.fill - count)


@kernel
def _copy(out: Array, size: int, distance: int, length: int) -> None:
    """Copy the bytes that lie `distance` bytes back; source and target may overlap."""
    if distance == 1:
        value = out[np.uint64(size - 1)]
        for i in range(size, size + length):
            out[np.uint64(i)] = value
    else:
        for i in range(size, size + length):
            out[np.uint64(i)] = out[np.uint64(i - distance)]


@kernel
def _inflate_coded(
    data: Array,
    last: int,
    bits: _Bits,
    out: Array,
    size: int,
    is_dynamic: bool,
    codes: Array,
) -> tuple[int, _Bits]:
    """Inflate a block up to its end symbol; return the new size of the output."""
    refused = REFUSED, bits
    literals, distances = FIXED_LITERAL, FIXED_DISTANCE
    literal_bits, distance_bits = 9, 5
    if is_dynamic:
        literals, distances = LITERAL, DISTANCE
        literal_bits, distance_bits, bits = _read_codes(data, last, bits, codes)
        if literal_bits < 0:
            return refused
    literal_mask = (1 << literal_bits) - 1
    distance_mask = (1 << distance_bits) - 1
    while True:
        bits = _fill(data, last, bits, _SYMBOL_BITS)
        entry = int(codes[literals, np.uint64(TABLE + (bits.waiting & literal_mask))])
        if entry == 0:
            entry = find_long(codes, literals, bits.waiting)
        _, bits = _take(bits, entry & 15)
        symbol = entry >> 4
        if symbol < _END and entry:
            if size == out.size:
                return refused
            out[np.uint64(size)] = symbol
            size += 1
            continue
        # What may come without end passes here; literals end with their room.
        if entry == 0 or bits.at > last + 8:
            return refused
        if symbol == _END:
            return size, bits
        symbol -= _END + 1
        if symbol >= _LENGTH_BASE.size:
            return refused
        bits = _fill(data, last, bits, _MATCH_BITS)
        extra, bits = _take(bits, _LENGTH_BITS[np.uint64(symbol)])
        length = _LENGTH_BASE[np.uint64(symbol)] + extra
        entry = int(codes[distances, np.uint64(TABLE + (bits.waiting & distance_mask))])
        if entry == 0:
            entry = find_long(codes, distances, bits.waiting)
        symbol = entry >> 4
        if entry == 0 or symbol >= _DISTANCE_BASE.size:
            return refused
        _, bits = _take(bits, entry & 15)
        extra, bits = _take(bits, _DISTANCE_BITS[np.uint64(symbol)])
        distance = _DISTANCE_BASE[np.uint64(symbol)] + extra
        if distance > size or length > out.size - size:
            return refused
        _copy(out, size, distance, length)
        size += length


@kernel
def _read_lengths_code(
    data: Array, last: int, bits: _Bits, count: int, codes: Array
) -> tuple[int, _Bits]:
    """Read the code that lengths of codes are written in; return the bits of its table."""
    for i in range(19):
        codes[LENGTHS, 19 + i] = 0
    for i in range(count):
        bits = _fill(data, last, bits, 3)
        length, bits = _take(bits, 3)
        codes[LENGTHS, 19 + _ORDER[i]] = length
    total = 0
    for symbol in range(19):
        length = int(codes[LENGTHS, 19 + symbol])
        if length:
            codes[USED, total] = symbol
            codes[LENGTHS, total] = length
            total += 1
    width = fit(codes, 0, total, LENGTH)
    # Unlike the other codes, this one must be complete even if it has only one symbol.
    return (width if total > 1 else REFUSED), bits


@kernel
def _read_lengths(
    data: Array, last: int, bits: _Bits, first: int, count: int, width: int, codes: Array
) -> tuple[int, int, _Bits]:
    """Read the lengths of all codes: `first` ones of literals, then those of distances.

    Returns how many symbols have a code, and how many of these are literals.
    """
    refused = REFUSED, REFUSED, bits
    mask = (1 << width) - 1
    total = before = i = previous = 0
    while i < count:
        bits = _fill(data, last, bits, 7 + 7)
        entry = int(codes[LENGTH, np.uint64(TABLE + (bits.waiting & mask))])
        _, bits = _take(bits, entry & 15)
        value = entry >> 4
        repeat = 1
        if value == 16:
            if i == 0:
                return refused
            value = previous
            repeat, bits = _take(bits, 2)
            repeat += 3
        elif value == 17:
            value = 0
            repeat, bits = _take(bits, 3)
            repeat += 3
        elif value == 18:
            value = 0
            repeat, bits = _take(bits, 7)
            repeat += 11
        if repeat > count - i:
            return refused
        previous = value
        if value:
            for symbol in range(i, i + repeat):
                codes[USED, np.uint64(total)] = symbol if symbol < first else symbol - first
                codes[LENGTHS, np.uint64(total)] = value
                total += 1
                before += symbol < first
        i += repeat
    return total, before, bits


@kernel
def _read_codes(data: Array, last: int, bits: _Bits, codes: Array) -> tuple[int, int, _Bits]:
    """Read the codes of a block; return the bits of both tables, or `REFUSED`."""
    refused = REFUSED, REFUSED, bits
    bits = _fill(data, last, bits, 14)
    literals, bits = _take(bits, 5)
    distances, bits = _take(bits, 5)
    given, bits = _take(bits, 4)
    literals += 257
    distances += 1
    if literals > 286 or distances > 30:
        return refused
    width, bits = _read_lengths_code(data, last, bits, given + 4, codes)
    if width < 0:
        return refused
    total, before, bits = _read_lengths(
        data, last, bits, literals, literals + distances, width, codes
    )
    if total < 0:
        return refused
    literal_bits = fit(codes, 0, before, LITERAL)
    distance_bits = fit(codes, before, total, DISTANCE)
    has_end = False
    for i in range(before):
        has_end = has_end or codes[USED, np.uint64(i)] == _END
    if literal_bits < 0 or distance_bits < 0 or not has_end:
        return refused
    return literal_bits, distance_bits, bits


@kernel
def _inflate_stored(
    data: Array, last: int, bits: _Bits, out: Array, size: int
) -> tuple[int, _Bits]:
    """Copy a block that is not compressed; return the new size of the output."""
    at = bits.at - (bits.fill >> 3)
    if at + 4 > last:
        return REFUSED, bits
    length = _read(data, at, 2)
    check = _read(data, at + 2, 2)
    at += 4
    if length ^ check != 0xFFFF or length > last - at or length > out.size - size:
        return REFUSED, bits
    for i in range(length):
        out[np.uint64(size + i)] = data[np.uint64(at + i)]
    return size + length, _Bits(at + length, 0, 0)


_BLOCK = 1 << 12  # bytes whose sums, weighted by their places, fit 32 bits


@kernel
def _adler(data: Array, size: int) -> int:
    """Adler-32 checksum of the first bytes, as it is read from a stream: highest byte first."""
    low = 1
    high = 0
    for first in range(0, size, _BLOCK):
        count = min(_BLOCK, size - first)
        # Kept to 32 bits at every step, so that the processor adds up several bytes at once.
        total = np.uint32(0)
        weighted = np.uint32(0)
        for i in range(count):
            value = np.uint32(data[np.uint64(first + i)])
            total = np.uint32(total + value)
            weighted = np.uint32(weighted + np.uint32(value * np.uint32(i)))
        high = (high + count * (low + int(total)) - int(weighted)) % 65521
        low = (low + int(total)) % 65521
    return (high >> 8) | ((high & 255) << 8) | ((low & 0xFF00) << 8) | ((low & 255) << 24)


@kernel
def inflate(data: Array, first: int, last: int, out: Array, codes: Array) -> int:
    """Inflate the zlib stream in bytes first..last (excluded) of `data`; more may follow it.

    Parameters
    ----------
    data
        (n,) uint8; 0 <= first <= last <= n.
    out
        (room,) uint8, the result.
    codes
        Of `new_codes`.

    Returns
    -------
    int
        How many bytes were written; `REFUSED` if the stream is damaged, cut, or needs more room.
    """
    if last - first < 6:
        return REFUSED
    method = _read(data, first, 1)
    flags = _read(data, first + 1, 1)
    if method & 15 != 8 or method > 0x78 or flags & 32 or (256 * method + flags) % 31:
        return REFUSED
    bits = _Bits(first + 2, 0, 0)
    size = 0
    is_last = 0
    while not is_last:
        bits = _fill(data, last, bits, 3)
        if bits.at > last + 8:
            return REFUSED
        is_last, bits = _take(bits, 1)
        kind, bits = _take(bits, 2)
        if kind == 0:
            size, bits = _inflate_stored(data, last, bits, out, size)
        elif kind == 3:
            return REFUSED
        else:
            size, bits = _inflate_coded(data, last, bits, out, size, kind == 2, codes)
        if size < 0:
            return REFUSED
    at = bits.at - (bits.fill >> 3)
    if at + 4 > last:
        return REFUSED
    return size if _adler(out, size) == _read(data, at, 4) else REFUSED
