"""Tokens of pages of grays: what is to be repeated, listed first so that the codes fit exactly.

A token is a number of 32 bits: its kind, and 15 bits more. Its kind is the number of pixels of a
match * 32 + the symbol of its distance, to which 15 bits of the distance - 1 belong; or three equal
bytes; or one byte.
"""

import numpy as np

from ..deflate.stream import (
    DISTANCES,
    END,
    LONGEST_MATCH,
    SYMBOLS,
    begin,
    distance_symbol,
    finish,
    fit_codes,
    length_symbol,
    put,
)
from ..jit import Array, kernel

MOST_PIXELS = LONGEST_MATCH // 3
_BITS = 15
_THREE = (MOST_PIXELS + 1) * 32
_ONE = _THREE + 256
_KINDS = _ONE + 256
_OF_SYMBOLS = 3 * (SYMBOLS + DISTANCES)
CODE_WORDS = _KINDS + _OF_SYMBOLS + _KINDS
SYMBOL_PLACES = 512
# A code with all that belongs to its kind, its bits, and how many bits of the distance follow it.
_SIZE_AT = 40
_EXTRA_AT = 48


@kernel
def place_of_distance(distance: int) -> int:
    """Where in a table the symbol of a distance is: less than `SYMBOL_PLACES`."""
    i = distance - 1
    return i if i < 256 else 256 + (i >> 7)


@kernel
def tabulate_distances(symbols: Array) -> None:
    """Write the symbols of distances to their places."""
    for i in range(SYMBOL_PLACES):
        symbols[i] = distance_symbol(i + 1 if i < 256 else ((i - 256) << 7) + 1)[0]


@kernel
def match(pixels: int, distance: int, symbol: int) -> int:
    """Token that repeats 1..86 pixels; the symbol is that of the distance."""
    return (pixels << 5 | symbol) << _BITS | (distance - 1)


@kernel
def three_bytes(value: int) -> int:
    """Token of three equal bytes."""
    return (_THREE + value) << _BITS


@kernel
def one_byte(value: int) -> int:
    """Token of a byte."""
    return (_ONE + value) << _BITS


@kernel
def _count(tokens: Array, kinds: Array, more: Array, counts: Array, distance_counts: Array) -> None:
    """Count how often each kind and each symbol will be used."""
    # Two tables in turns, since each of equal tokens has to wait for the one before.
    for i in range(0, tokens.size - 1, 2):
        kinds[np.uint64(tokens[np.uint64(i)] >> _BITS)] += 1
        more[np.uint64(tokens[np.uint64(i + 1)] >> _BITS)] += 1
    if tokens.size & 1:
        kinds[np.uint64(tokens[tokens.size - 1] >> _BITS)] += 1
    for kind in range(_KINDS):
        kinds[kind] += more[kind]
    for pixels in range(1, MOST_PIXELS + 1):
        length = length_symbol(3 * pixels)[0]
        for symbol in range(DISTANCES):
            counts[length] += kinds[pixels << 5 | symbol]
            distance_counts[symbol] += kinds[pixels << 5 | symbol]
    for value in range(256):
        counts[value] += 3 * kinds[_THREE + value] + kinds[_ONE + value]
    counts[END] += 1


@kernel
def _codes_of_kinds(code: Array, distance_code: Array, codes: Array) -> None:
    """Join what the tokens of a kind have in common; codes are bits and lengths of each symbol."""
    for pixels in range(1, MOST_PIXELS + 1):
        symbol, extra, extra_bits = length_symbol(3 * pixels)
        bits = code[0, symbol] | extra << code[1, symbol]
        size = code[1, symbol] + extra_bits
        for distance in range(DISTANCES):
            all_bits = bits | distance_code[0, distance] << size
            all_size = size + distance_code[1, distance]
            following = max(0, (distance >> 1) - 1)
            entry = all_bits | all_size << _SIZE_AT | following << _EXTRA_AT
            codes[pixels << 5 | distance] = entry
    for value in range(256):
        bits, size = code[0, value], code[1, value]
        codes[_ONE + value] = bits | size << _SIZE_AT
        bits |= bits << size | bits << 2 * size
        codes[_THREE + value] = bits | 3 * size << _SIZE_AT


@kernel
def _bits_of(codes: Array, token: int) -> tuple[int, int]:
    """What is written for a token, and how many bits that are."""
    entry = codes[np.uint64(token >> _BITS)]
    size = (entry >> _SIZE_AT) & 0xFF
    following = entry >> _EXTRA_AT
    bits = entry & ((1 << _SIZE_AT) - 1)
    bits |= (token & ((1 << following) - 1)) << size
    return bits, size + following


@kernel
def encode(tokens: Array, adler: int, is_part: bool, memory: Array, out: Array) -> int:
    """Write tokens as a zlib stream; return its size in bytes.

    Parameters
    ----------
    tokens, adler
        What is to be written, and its Adler-32.
    is_part
        Whether more is to follow, see `deflate.stream`.
    memory
        (CODE_WORDS,) int64 of scratch.
    out
        uint64 words: one a token, and 1000.
    """
    codes = memory[:_KINDS]
    code = memory[_KINDS : _KINDS + 3 * SYMBOLS].reshape((3, SYMBOLS))
    distance_code = memory[_KINDS + 3 * SYMBOLS : _KINDS + _OF_SYMBOLS].reshape((3, DISTANCES))
    memory[:] = 0
    _count(tokens, codes, memory[CODE_WORDS - _KINDS :], code[2], distance_code[2])
    # All symbols need a code; those that do not occur should not lengthen the others much.
    for i in range(SYMBOLS):
        code[2, i] = 16 * code[2, i] + 1
    for i in range(DISTANCES):
        distance_code[2, i] = 16 * distance_code[2, i] + 1
    fit_codes(code[2], code[0], code[1])
    fit_codes(distance_code[2], distance_code[0], distance_code[1])
    _codes_of_kinds(code, distance_code, codes)
    at = begin(out, code[1], distance_code[1], is_part)
    # Two at a time, for a number is put behind another one only when that has been put.
    for i in range(0, tokens.size - 1, 2):
        bits, size = _bits_of(codes, tokens[np.uint64(i)])
        more, more_size = _bits_of(codes, tokens[np.uint64(i + 1)])
        if size + more_size > 63:
            at = put(out, at, bits, size)
            at = put(out, at, more, more_size)
        else:
            at = put(out, at, bits | more << size, size + more_size)
    if tokens.size & 1:
        bits, size = _bits_of(codes, tokens[tokens.size - 1])
        at = put(out, at, bits, size)
    return finish(out, at, code[0, END], code[1, END], adler, is_part)
