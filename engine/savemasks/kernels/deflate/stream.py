"""Deflate without searching (RFC 1951): one block of dynamic Huffman codes.

It is for encoders that know where their data repeat: they say where a match is. A stream is a
`Bits`, whose words go to an array of uint64. A stream that `is_part` of a longer one has neither
zlib's header nor its checksum; it ends with an empty stored block, so that the next part begins on
a whole byte.
"""

from typing import NamedTuple

import numpy as np

from ..jit import Array, allocating_kernel, kernel
from ..memory import filled_words, words

SYMBOLS = 286
DISTANCES = 30
END = 256
# Codes of at most 13 bits: two of them and the length of both fit 32 bits, four of them 64.
LONGEST_CODE = 13
LONGEST_MATCH = 258


class Bits(NamedTuple):
    """A position in a stream: the next word, and the bits (fewer than 64) already set in it."""

    word: np.uint64
    waiting: np.uint64
    fill: np.uint64


class Codes(NamedTuple):
    """Codes of one block.

    code, length    (286,) int64: Huffman codes of literals and lengths, first bit lowest
    pairs           (65536,) uint32: two literals (the first one low) as code | length << 27;
                    not needed without literals in fours
    near, far       what the two distance codes stand for, of `distance_symbol`
    """

    code: Array
    length: Array
    pairs: Array
    near: tuple[int, int, int]
    far: tuple[int, int, int]


@kernel
def put(out: Array, at: Bits, code: int, length: int) -> Bits:
    """Append up to 63 bits. The word is stored every time, which is faster than a branch."""
    bits = np.uint64(code)
    waiting = at.waiting | (bits << at.fill)
    fill = at.fill + np.uint64(length)
    out[at.word] = waiting
    full = fill >> np.uint64(6)
    # The bits that did not fit. Shifted in two steps, because a shift by 64 is undefined.
    rest = (bits >> np.uint64(1)) >> (np.uint64(63) - at.fill)
    return Bits(at.word + full, rest if full else waiting, fill & np.uint64(63))


def _length_table() -> Array:
    """By length, symbol << 16 | extra bits << 8 | how many of them."""
    table = np.zeros(LONGEST_MATCH + 1, np.int64)
    for length in range(3, LONGEST_MATCH):
        x = length - 3
        extra_bits = max(0, x.bit_length() - 3)
        symbol = 257 + 4 * extra_bits + (x >> extra_bits)
        table[length] = symbol << 16 | (x & ((1 << extra_bits) - 1)) << 8 | extra_bits
    table[LONGEST_MATCH] = 285 << 16
    return table


_LENGTHS = _length_table()


@kernel
def length_symbol(length: int) -> tuple[int, int, int]:
    """Symbol, extra bits and how many of them, of a match of 3..258 bytes."""
    entry = _LENGTHS[np.uint64(length)]
    return entry >> 16, (entry >> 8) & 0xFF, entry & 0xFF


@kernel
def distance_symbol(distance: int) -> tuple[int, int, int]:
    """Symbol, extra bits and how many of them, of a distance of 1..32768 bytes."""
    x = distance - 1
    if x < 4:
        return x, 0, 0
    bits = 2
    while x >> (bits + 1):
        bits += 1
    extra = bits - 1
    return 2 * bits + ((x >> extra) & 1), x & ((1 << extra) - 1), extra


@kernel
def bits_of_match(codes: Codes, length: int, is_far: bool) -> tuple[int, int]:
    """Bits, and how many they are, of a match of 3..258 bytes from the far or the near distance."""
    symbol, extra, extra_bits = length_symbol(length)
    _, distance, distance_bits = codes.far if is_far else codes.near
    size = int(codes.length[symbol])
    bits = int(codes.code[symbol]) | extra << size
    size += extra_bits
    # The two distances have one-bit codes, the smaller symbol 0.
    bits |= (distance << 1 | int(is_far)) << size
    return bits, size + 1 + distance_bits


@kernel
def put_match(out: Array, at: Bits, codes: Codes, length: int, is_far: bool) -> Bits:
    """Repeat `length` bytes, at least 3, from the far or the near distance."""
    while length > 0:
        part = min(length, LONGEST_MATCH)
        if 0 < length - part < 3:
            part -= 3  # leave enough for another match
        bits, size = bits_of_match(codes, part, is_far)
        at = put(out, at, bits, size)
        length -= part
    return at


@kernel
def put_four(out: Array, at: Bits, codes: Codes, four: np.uint64) -> Bits:
    """Append four literals, the low bytes of `four`, lowest first."""
    low = np.uint64(codes.pairs[four & np.uint64(0xFFFF)])
    high = np.uint64(codes.pairs[(four >> np.uint64(16)) & np.uint64(0xFFFF)])
    size = low >> np.uint64(27)
    code = (low & np.uint64(0x7FFFFFF)) | ((high & np.uint64(0x7FFFFFF)) << size)
    return put(out, at, int(code), int(size + (high >> np.uint64(27))))


@kernel
def put_literals(out: Array, at: Bits, codes: Codes, data: Array, first: int, last: int) -> Bits:
    """Append bytes first..last (excluded) as literals."""
    i = first
    while i + 4 <= last:
        four = np.uint64(data[np.uint64(i)])
        for k in range(1, 4):
            four |= np.uint64(data[np.uint64(i + k)]) << np.uint64(8 * k)
        at = put_four(out, at, codes, four)
        i += 4
    while i < last:
        symbol = data[i]
        at = put(out, at, codes.code[symbol], codes.length[symbol])
        i += 1
    return at


@allocating_kernel
def fit_codes(counts: Array, code: Array, length: Array) -> None:
    """Make Huffman codes for symbols from how often each occurs (at least once).

    Codes that come out too long are made shorter by flattening the counts, as bzip2 does.
    """
    weights = words(counts.size)
    for i in range(counts.size):
        weights[i] = counts[i]
    parents = words(2 * counts.size)
    while True:
        longest = _measure_tree(weights, parents, length)
        if longest <= LONGEST_CODE:
            break
        for i in range(weights.size):
            weights[i] = (weights[i] >> 1) | 1
    _assign_codes(code, length, weights)


@kernel
def fit_pairs(code: Array, length: Array, pairs: Array) -> None:
    """Join the codes of any two bytes."""
    for second in range(256):
        for first in range(256):
            both = code[first] | (code[second] << length[first])
            pairs[first | (second << 8)] = both | ((length[first] + length[second]) << 27)


@kernel
def _sort(weights: Array, order: Array, spare: Array) -> None:
    """List the symbols by their weights, equal ones as they are.

    Those of weight 1, mostly many, go first; of the others runs of 1, 2, 4, ... are merged. NumPy's
    sort takes as long, but a second and a half to compile.
    """
    n = weights.size
    light = 0
    for i in range(n):
        if weights[i] == 1:
            order[light] = i
            light += 1
    place = light
    for i in range(n):
        if weights[i] != 1:
            order[place] = i
            place += 1
    run = 1
    while run < n - light:
        for first in range(light, n, 2 * run):
            middle = min(first + run, n)
            last = min(middle + run, n)
            left = first
            right = middle
            for i in range(first, last):
                use_left = right == last
                if left < middle and right < last:
                    use_left = weights[order[left]] <= weights[order[right]]
                if use_left:
                    spare[i] = order[left]
                    left += 1
                else:
                    spare[i] = order[right]
                    right += 1
        for i in range(light, n):
            order[i] = spare[i]
        run *= 2


@allocating_kernel
def _measure_tree(weights: Array, parents: Array, length: Array) -> int:
    """Depths of a Huffman tree, built from two sorted queues: of leaves and of inner nodes."""
    n = weights.size
    inner = words(n)
    order = words(n)
    _sort(weights, order, inner)
    leaf = 0
    node = 0
    made = 0
    while made < n - 1:
        total = 0
        for _ in range(2):
            if leaf < n and (node >= made or weights[order[leaf]] <= inner[node]):
                total += weights[order[leaf]]
                parents[order[leaf]] = n + made
                leaf += 1
            else:
                total += inner[node]
                parents[n + node] = n + made
                node += 1
        inner[made] = total
        made += 1
    # From the root down: inner nodes are numbered after their children.
    depth = filled_words(2 * n, 0)
    for i in range(n + made - 2, n - 1, -1):
        depth[i] = depth[parents[i]] + 1
    longest = 0
    for i in range(n):
        length[i] = depth[parents[i]] + 1
        longest = max(longest, length[i])
    return longest


@kernel
def _assign_codes(code: Array, length: Array, following: Array) -> None:
    """Canonical codes of given lengths, first bit lowest.

    `following` has room for the next code of each length.
    """
    for bits in range(LONGEST_CODE + 1):
        following[bits] = 0
    for i in range(length.size):
        following[length[i]] += 1
    value = 0
    for bits in range(1, LONGEST_CODE + 1):
        value <<= 1
        count = following[bits]
        following[bits] = value
        value += count
    for i in range(length.size):
        turned = following[length[i]]
        following[length[i]] += 1
        turned = (turned & 0x5555) << 1 | (turned >> 1 & 0x5555)
        turned = (turned & 0x3333) << 2 | (turned >> 2 & 0x3333)
        turned = (turned & 0x0F0F) << 4 | (turned >> 4 & 0x0F0F)
        turned = (turned & 0x00FF) << 8 | turned >> 8
        code[i] = turned >> (16 - length[i])


@kernel
def begin(out: Array, length: Array, distance_length: Array, is_part: bool) -> Bits:
    """Write zlib's header, that of the only block, and the lengths of its codes."""
    at = Bits(np.uint64(0), np.uint64(0), np.uint64(0))
    at = put(out, at, 0 if is_part else 0x0178, 0 if is_part else 16)
    at = put(out, at, 0b100 if is_part else 0b101, 3)  # last block or not, dynamic codes
    at = put(out, at, SYMBOLS - 257, 5)
    at = put(out, at, DISTANCES - 1, 5)
    at = put(out, at, 15, 4)
    # Lengths 0..15 are written with four bits each, repetitions are not used. In the standard's
    # order these come after the three symbols of repetition.
    for i in range(19):
        at = put(out, at, 0 if i < 3 else 4, 3)
    for i in range(SYMBOLS):
        at = _put_code_length(out, at, length[i])
    for i in range(DISTANCES):
        at = _put_code_length(out, at, distance_length[i])
    return at


@allocating_kernel
def begin_two(out: Array, codes: Codes, is_part: bool) -> Bits:
    """Write the same for the two distances of `codes`."""
    length = filled_words(DISTANCES, 0)
    length[codes.near[0]] = 1
    length[codes.far[0]] = 1
    return begin(out, codes.length, length, is_part)


@kernel
def _put_code_length(out: Array, at: Bits, length: int) -> Bits:
    turned = ((length & 1) << 3) | ((length & 2) << 1) | ((length & 4) >> 1) | ((length & 8) >> 3)
    return put(out, at, turned, 4)


@kernel
def finish(out: Array, at: Bits, end_code: int, end_length: int, adler: int, is_part: bool) -> int:
    """Write the end of the block and the checksum; return the stream's size in bytes."""
    at = put(out, at, end_code, end_length)
    if is_part:
        at = put(out, at, 0, 3)  # a stored block, not the last one
    at = put(out, at, 0, int(np.uint64(8) - (at.fill & np.uint64(7))) & 7)
    if is_part:
        at = put(out, at, 0xFFFF0000, 32)  # of no bytes
    else:
        for shift in range(24, -8, -8):
            at = put(out, at, (adler >> shift) & 0xFF, 8)
    put(out, at, 0, 0)  # the last word, if bits are waiting
    return 8 * int(at.word) + (int(at.fill) >> 3)
