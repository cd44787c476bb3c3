"""Human pages: composed, filtered and deflated row by row, while a row is in cache.

The right half of a page repeats the left half wherever nothing is painted, at a distance that is
known, so nothing is searched: the left half and painted spans are coded as literals, by codes that
are fitted to a sample of rows; unpainted spans are matches; runs of zeros are matches as well.

A span counts as painted here where the filtered bytes of the two halves may differ: at painted
pixels and, since filters look left and up, at the pixels to the right of, below, and diagonally
below them.
"""

import numpy as np

from .deflate import (
    LONGEST_MATCH,
    SYMBOLS,
    Bits,
    Codes,
    begin,
    finish,
    fit_codes,
    fit_pairs,
    put,
    put_literals,
    put_match,
    put_pair,
)
from .jit import Array, kernel

UP = 2
AVERAGE = 3
PAETH = 4

# Zeros in a row, in words of eight bytes, from which a match is shorter than literals.
_ZERO_WORDS = 2
_MODULUS = 65521  # of Adler-32


@kernel
def filter_row(kind: int, row: Array, above: Array, out: Array, first: int, last: int) -> None:
    """Write the differences of bytes first..last (excluded) to PNG's guess at out[1 + i].

    `row` and `above` have three more bytes in front, the pixel left of the first one: byte i is
    at i + 3.
    """
    if kind == UP:
        for i in range(first, last):
            j = np.uint64(i + 3)
            out[np.uint64(i + 1)] = row[j] - above[j]
    elif kind == AVERAGE:
        for i in range(first, last):
            j = np.uint64(i + 3)
            guess = (int(row[np.uint64(i)]) + int(above[j])) >> 1
            out[np.uint64(i + 1)] = row[j] - np.uint8(guess)
    else:
        for i in range(first, last):
            j = np.uint64(i + 3)
            a = row[np.uint64(i)]
            b = above[j]
            c = above[np.uint64(i)]
            # Distances of a + b - c to a and b. That to c is their sum, which is never the least,
            # if a and b lie on the same side of c, else their difference: all fits a byte.
            to_a = np.uint8(max(b, c) - min(b, c))
            to_b = np.uint8(max(a, c) - min(a, c))
            apart = (a > c) != (b > c)
            to_c = np.uint8(max(to_a, to_b) - min(to_a, to_b)) if apart else np.uint8(255)
            guess = b if to_b < to_a else a
            guess = c if to_c < min(to_a, to_b) else guess
            out[np.uint64(i + 1)] = row[j] - guess


@kernel
def sample(image: Array, kind: int, step: int, counts: Array, rows: Array) -> None:
    """Count the filtered bytes of every `step`-th row of the left half."""
    width = image.shape[1]
    row = rows[0]
    above = rows[1]
    for y in range(step >> 1, image.shape[0], step):
        for i in range(width):
            row[i + 3] = image[y, i]
            above[i + 3] = image[y - 1, i] if y else 0
        filter_row(kind, row, above, rows[2], 0, width)
        for i in range(1, width + 1):
            counts[rows[2, i]] += 1


@kernel
def filter_band(image: Array, kind: int, out: Array) -> None:
    """Filter some rows of the original: (rows, n) bytes into (rows, n + 1)."""
    row = np.zeros(image.shape[1] + 3, np.uint8)
    above = np.zeros(image.shape[1] + 3, np.uint8)
    for y in range(image.shape[0]):
        for i in range(image.shape[1]):
            row[i + 3] = image[y, i]
        out[y, 0] = kind
        filter_row(kind, row, above, out[y], 0, image.shape[1])
        row, above = above, row


@kernel
def _compose(image: Array, labels: Array, table: Array, row: Array) -> bool:
    """Write one page row behind three bytes of margin; say whether anything is painted."""
    n = image.size
    for i in range(n):
        row[np.uint64(i + 3)] = image[np.uint64(i)]
    row[n + 3] = 0
    row[n + 4] = 255
    row[n + 5] = 0
    for i in range(n):
        row[np.uint64(n + 6 + i)] = image[np.uint64(i)]
    any_label = labels[0]
    for x in range(labels.size):
        any_label |= labels[np.uint64(x)]
    if any_label == 0:
        return False
    for x in range(labels.size):
        label = labels[x]
        if label:
            for channel in range(3):
                i = 3 * x + channel
                row[n + 6 + i] = (int(image[i]) + int(table[label, channel])) >> 1
    return True


@kernel
def _put_left(out: Array, at: Bits, codes: Codes, data: Array, words: Array, last: int) -> Bits:
    """Code bytes 0..last (excluded) of a filtered row: literals, and matches for runs of zeros."""
    k = 0
    whole = last >> 3
    while k < whole:
        if words[k] != 0:
            for i in range(8 * k, 8 * k + 8, 2):
                at = put_pair(out, at, codes, data, i)
            k += 1
            continue
        run = k + 1
        while run < whole and words[run] == 0:
            run += 1
        if run - k >= _ZERO_WORDS:
            at = put(out, at, codes.code[0], codes.length[0])
            at = put_match(out, at, codes, 8 * (run - k) - 1, False)
        else:
            at = put_literals(out, at, codes, data, 8 * k, 8 * run)
        k = run
    return put_literals(out, at, codes, data, 8 * whole, last)


@kernel
def _put_right(
    out: Array, at: Bits, codes: Codes, data: Array, labels: Array, labels_above: Array
) -> Bits:
    """Code the right half: matches of the left half, and literals where it is painted."""
    width = labels.size
    right = 3 * width + 4
    x = 0
    while x < width:
        start = x
        # The first pixel has another left neighbour than its twin.
        while x < width and (
            x == 0
            or labels[x] != 0
            or labels_above[x] != 0
            or labels[x - 1] != 0
            or labels_above[x - 1] != 0
        ):
            x += 1
        at = put_literals(out, at, codes, data, right + 3 * start, right + 3 * x)
        start = x
        while x < width and labels[x] == 0 and labels_above[x] == 0:
            x += 1
        if x > start:
            at = put_match(out, at, codes, 3 * (x - start), True)
    return at


@kernel
def _add_to_adler(adler: int, data: Array, size: int) -> int:
    """Adler-32 of more bytes."""
    low = adler & 0xFFFF
    high = adler >> 16
    first = 0
    while first < size:
        n = min(size - first, 4096)  # as many as 32 bits can add up
        total = np.uint32(0)
        weighted = np.uint32(0)
        for i in range(n):
            byte = np.uint32(data[np.uint64(first + i)])
            total += byte
            weighted += np.uint32(n - i) * byte
        high = (high + n * low + int(weighted)) % _MODULUS
        low = (low + int(total)) % _MODULUS
        first += n
    return (high << 16) | low


@kernel
def encode(
    image: Array,
    labels: Array,
    table: Array,
    kind: int,
    counts: Array,
    rows: Array,
    words: Array,
    code_memory: Array,
    pairs: Array,
    out: Array,
) -> int:
    """Compose and compress a page; return the size of the zlib stream in bytes.

    Parameters
    ----------
    image
        (height, 3 * width) uint8.
    labels, table
        (height, width) labels, (labels, 3) colours.
    kind
        UP, AVERAGE or PAETH.
    counts
        (286,) int64: how often filtered bytes occur in a sample of the left half.
    rows, words
        (3, n) uint8 of zeros, n a multiple of 8 of at least 6 * width + 16; the same memory as
        uint64.
    code_memory, pairs
        (2, 286) int64, (65536,) uint32: scratch for codes.
    out
        uint32 words that hold the largest possible stream.
    """
    height, width = labels.shape
    total = counts.sum()
    for i in range(SYMBOLS):
        counts[i] += 1
    counts[285] += total // LONGEST_MATCH
    fit_codes(counts, code_memory[0], code_memory[1])
    fit_pairs(code_memory[0], code_memory[1], pairs)
    codes = Codes(code_memory[0], code_memory[1], pairs, 1, 3 * width + 3)
    at = begin(out, codes)
    adler = 1
    row = rows[0]
    above = rows[1]
    filtered = rows[2]
    size = 6 * width + 4
    painted_above = False
    for y in range(height):
        painted = _compose(image[y], labels[y], table, row)
        filtered[0] = kind
        if painted or painted_above:
            filter_row(kind, row, above, filtered, 0, size - 1)
        else:
            filter_row(kind, row, above, filtered, 0, 3 * width + 6)
            for i in range(4, 3 * width + 1):
                filtered[np.uint64(3 * width + 3 + i)] = filtered[np.uint64(i)]
        adler = _add_to_adler(adler, filtered, size)
        at = _put_left(out, at, codes, filtered, words[2], 3 * width + 4)
        if painted or painted_above:
            at = _put_right(out, at, codes, filtered, labels[y], labels[max(y - 1, 0)])
        else:
            at = put_literals(out, at, codes, filtered, 3 * width + 4, 3 * width + 7)
            if width > 1:
                at = put_match(out, at, codes, 3 * width - 3, True)
        row, above = above, row
        painted_above = painted
    return finish(out, at, codes, adler)
