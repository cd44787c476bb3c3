"""What a mask is told in: bytes, and repetitions of the pixel before or of the row above.

A token is its value << 2 | its kind: the byte, or how many bytes are repeated.
"""

import numpy as np

from ..deflate.stream import (
    END,
    LONGEST_MATCH,
    SYMBOLS,
    Bits,
    Codes,
    begin_two,
    bits_of_match,
    distance_symbol,
    finish,
    fit_codes,
    length_symbol,
    put,
    put_match,
)
from ..jit import Array, kernel

LITERAL = 0
NEAR = 1
FAR = 2

_SHORT = (LONGEST_MATCH + 1) << 2  # tokens below are looked up in a table
_SIZE_AT = 32  # where the table's entries have their number of bits
CODE_WORDS = 3 * SYMBOLS + _SHORT
"""Scratch memory in front of the tokens."""


@kernel
def add(tokens: Array, count: int, kind: int, value: int) -> int:
    """Append a token, or lengthen the last one if it is a repetition of the same kind."""
    if kind != LITERAL and count and tokens[count - 1] & 3 == kind:
        tokens[count - 1] += value << 2
        return count
    tokens[count] = value << 2 | kind
    return count + 1


@kernel
def _count_symbols(tokens: Array, table: Array, counts: Array) -> None:
    """How often each symbol will be used."""
    table[:] = 0
    for token in tokens:
        if token < _SHORT:
            table[np.uint64(token)] += 1
        else:
            _count_match(counts, token >> 2, 1)
    for value in range(256):
        counts[value] += table[value << 2 | LITERAL]
    for value in range(3, LONGEST_MATCH + 1):
        _count_match(counts, value, table[value << 2 | NEAR] + table[value << 2 | FAR])
    counts[END] += 1


@kernel
def _count_match(counts: Array, length: int, times: int) -> None:
    counts[285] += times * (length // LONGEST_MATCH)
    counts[length_symbol(max(3, length % LONGEST_MATCH))[0]] += times


@kernel
def _fill_table(table: Array, codes: Codes) -> None:
    """Enter bits and their number for every short token."""
    for value in range(256):
        entry = int(codes.code[value]) | int(codes.length[value]) << _SIZE_AT
        table[value << 2 | LITERAL] = entry
    for value in range(3, LONGEST_MATCH + 1):
        bits, size = bits_of_match(codes, value, False)
        table[value << 2 | NEAR] = bits | size << _SIZE_AT
        bits, size = bits_of_match(codes, value, True)
        table[value << 2 | FAR] = bits | size << _SIZE_AT


@kernel
def _put_tokens(out: Array, at: Bits, codes: Codes, table: Array, tokens: Array) -> Bits:
    for token in tokens:
        if token < _SHORT:
            entry = table[np.uint64(token)]
            at = put(out, at, entry & ((1 << _SIZE_AT) - 1), entry >> _SIZE_AT)
        else:
            at = put_match(out, at, codes, token >> 2, token & 3 == FAR)
    return at


@kernel
def write(
    memory: Array, count: int, near: int, stride: int, adler: int, is_part: bool, out: Array
) -> int:
    """Write tokens as a zlib stream; return its size in bytes.

    Parameters
    ----------
    memory, count, adler
        What was tokenized, and what that returned.
    near, stride
        The distance of the pixel before and of the row above, or any other one if no token repeats
        it.
    is_part
        Whether it is a part of a longer stream, or a stream by itself.
    out
        uint8, the stream, in words of 8 bytes: 1000, and one for each token that there is room for,
        and one for every 258 bytes of the mask with its rows' filters.
    """
    tokens = memory[CODE_WORDS : CODE_WORDS + count]
    table = memory[3 * SYMBOLS : CODE_WORDS]
    code_memory = memory[: 3 * SYMBOLS].reshape(3, SYMBOLS)
    words = out.view(np.uint64)
    counts = code_memory[2]
    counts[:] = 0
    _count_symbols(tokens, table, counts)
    for i in range(SYMBOLS):
        # All symbols need a code; those that do not occur should not cost the others much.
        counts[i] = 16 * counts[i] + 1
    fit_codes(counts, code_memory[0], code_memory[1])
    codes = Codes(  # without pairs
        code_memory[0], code_memory[1], counts, distance_symbol(near), distance_symbol(stride)
    )
    _fill_table(table, codes)
    at = begin_two(words, codes, is_part)
    at = _put_tokens(words, at, codes, table, tokens)
    return finish(words, at, codes.code[END], codes.length[END], adler, is_part)
