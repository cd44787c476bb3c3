"""Huffman codes (RFC 1951) as look-up tables, for short streams.

Tables are as wide as the longest code, and at most `_TABLE_BITS` wide, because with so little data
making a table takes as long as using it. The rare longer codes are found bit by bit in canonical
order.
"""

import numpy as np

from ..jit import Array, allocating_kernel, kernel

REFUSED = -1

_TABLE_BITS = 9
_LONGEST_CODE = 15
_LITERALS = 288
_DISTANCES = 32

# Codes are kept as rows of one array of uint16. The first two are lists: of symbols that have a
# code, and of the lengths of their codes.
USED = 0
LENGTHS = 1
LENGTH = 2
LITERAL = 3
DISTANCE = 4
FIXED_LITERAL = 5
FIXED_DISTANCE = 6
_ROWS = 7
# Parts of a row: from 0 how many codes there are of each length, symbols in the order of their
# codes, and the table: by the next bits of the stream, symbol << 4 | length of its code, or 0 for
# codes that are longer than the table and for bits that are no code.
_SYMBOLS = 16
TABLE = _SYMBOLS + _LITERALS


@allocating_kernel
def new_codes() -> Array:
    """Scratch memory of `inflate`, for any number of streams one after the other."""
    codes = np.zeros((_ROWS, TABLE + (1 << _TABLE_BITS)), np.uint16)
    for i in range(_LITERALS):
        codes[USED, i] = i
        codes[LENGTHS, i] = 8 if i < 144 or i >= 280 else (9 if i < 256 else 7)
    fit(codes, 0, _LITERALS, FIXED_LITERAL)
    codes[LENGTHS, :_DISTANCES] = 5
    fit(codes, 0, _DISTANCES, FIXED_DISTANCE)
    return codes


@kernel
def fit(codes: Array, begin: int, end: int, code: int) -> int:
    """Make a code from symbols begin..end (excluded) of those that have one, and their lengths.

    Returns the bits of its table; `REFUSED` if there are more codes than fit, or fewer than there
    should be. Only a single code of one bit, and no code at all, may leave bits without a meaning.
    """
    for bits in range(_LONGEST_CODE + 1):
        codes[code, bits] = 0
    for i in range(begin, end):
        codes[code, np.uint64(codes[LENGTHS, np.uint64(i)])] += 1
    longest = 0
    free = 1
    total = 0
    for bits in range(1, _LONGEST_CODE + 1):
        count = int(codes[code, bits])
        # So far, where the next symbol with this length goes.
        codes[code, TABLE + bits] = _SYMBOLS + total
        total += count
        free = 2 * free - count
        if free < 0:
            return REFUSED
        if count:
            longest = bits
    if free and longest > 1:
        return REFUSED
    for i in range(begin, end):
        place = np.uint64(TABLE + codes[LENGTHS, np.uint64(i)])
        codes[code, np.uint64(codes[code, place])] = codes[USED, np.uint64(i)]
        codes[code, place] += 1
    width = min(longest, _TABLE_BITS)
    _fill_table(codes, code, width)
    return width


@kernel
def _fill_table(codes: Array, code: int, width: int) -> None:
    """Enter every code that is no longer than `width` bits, wherever the bits begin with it."""
    end = TABLE + (1 << width)
    for i in range(TABLE, end):
        codes[code, np.uint64(i)] = 0
    value = 0  # the code, first bit lowest
    i = _SYMBOLS
    for bits in range(1, width + 1):
        for _ in range(codes[code, bits]):
            entry = (int(codes[code, np.uint64(i)]) << 4) | bits
            for place in range(TABLE + value, end, 1 << bits):
                codes[code, np.uint64(place)] = entry
            i += 1
            # Add one to a number whose bits are reversed.
            carry = 1 << (bits - 1)
            while value & carry:
                carry >>= 1
            value = (value & (carry - 1)) | carry if carry else 0


@kernel
def find_long(codes: Array, code: int, waiting: int) -> int:
    """Entry, as in a table, of a code of any length; 0 if the next bits are no code."""
    value = first = 0
    i = _SYMBOLS
    for bits in range(1, _LONGEST_CODE + 1):
        value |= waiting & 1
        waiting >>= 1
        count = int(codes[code, bits])
        if value - count < first:
            return (int(codes[code, i + value - first]) << 4) | bits
        i += count
        first = (first + count) << 1
        value <<= 1
    return 0
