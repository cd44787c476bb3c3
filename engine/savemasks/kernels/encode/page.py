"""Human pages: composed, filtered and deflated row by row, while a row is in cache.

The right half of a page repeats the left half wherever nothing is painted. The distance is known,
so nothing is searched. The left half and painted spans are coded as literals, by codes that are
fitted to a sample of rows. Unpainted spans and runs of zeros are matches.

A span counts as painted here where the filtered bytes of the two halves may differ: at painted
pixels and, since filters look left and up, at the pixels to the right of, below, and diagonally
below them.

A page may be coded in strips, one after the other or at the same time: the row above a strip comes
with it. If the halves are too far apart for deflate, the right one is coded as the left one is.
"""

import numpy as np

from ..deflate.stream import (
    END,
    LONGEST_MATCH,
    SYMBOLS,
    Bits,
    Codes,
    begin_two,
    distance_symbol,
    finish,
    fit_codes,
    fit_pairs,
    put,
    put_four,
    put_literals,
    put_match,
)
from ..jit import Array, allocating_kernel, kernel
from ..memory import zero_octets

UP = 2
AVERAGE = 3
PAETH = 4

WINDOW = 32768  # how far back deflate reaches
_CHUNK = 64
_BLOCK = 128  # bytes whose weighted sum is added up at once: 128 * 255 fits 16 bits
_MODULUS = 65521  # of Adler-32


@kernel
def filter_row(
    kind: int, row: Array, above: Array, out: Array, first: int, last: int, step: int
) -> None:
    """Write the differences of bytes first..last (excluded) to PNG's guess at out[1 + i].

    Pixels have `step` bytes. `row` and `above` have one more pixel in front, left of the first one:
    byte i is at i + step.
    """
    if kind == UP:
        for i in range(first, last):
            j = np.uint64(i + step)
            out[np.uint64(i + 1)] = row[j] - above[j]
    elif kind == AVERAGE:
        for i in range(first, last):
            j = np.uint64(i + step)
            guess = (int(row[np.uint64(i)]) + int(above[j])) >> 1
            out[np.uint64(i + 1)] = row[j] - np.uint8(guess)
    else:
        for i in range(first, last):
            j = np.uint64(i + step)
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
        filter_row(kind, row, above, rows[2], 0, width, 3)
        for i in range(1, width + 1):
            counts[rows[2, i]] += 1


@allocating_kernel
def filter_band(image: Array, kind: int, out: Array) -> None:
    """Filter some rows of the original: (rows, n) bytes into (rows, n + 1)."""
    row = zero_octets(image.shape[1] + 3)
    above = zero_octets(image.shape[1] + 3)
    for y in range(image.shape[0]):
        for i in range(image.shape[1]):
            row[i + 3] = image[y, i]
        out[y, 0] = kind
        filter_row(kind, row, above, out[y], 0, image.shape[1], 3)
        row, above = above, row


@kernel
def is_painted(labels: Array) -> bool:
    """Whether any pixel of a row is."""
    any_label = labels.dtype.type(0)
    for x in range(labels.size):
        any_label = labels.dtype.type(any_label | labels[np.uint64(x)])
    return bool(any_label)


@kernel
def _compose_left(image: Array, row: Array) -> None:
    """Write a page row behind three bytes of margin: original, divider, first pixel of the rest."""
    n = image.size
    for i in range(n):
        row[np.uint64(i + 3)] = image[np.uint64(i)]
    row[n + 3] = 0
    row[n + 4] = 255
    row[n + 5] = 0
    for i in range(3):
        row[n + 6 + i] = image[i]


@kernel
def _mirror(row: Array, n: int) -> None:
    """Write the other half of a page row: the original's n bytes again."""
    for i in range(n):
        row[np.uint64(n + 6 + i)] = row[np.uint64(i + 3)]


@kernel
def unpainted(labels: Array, labels_above: Array, first: int) -> int:
    """The first pixel from `first` on that is painted in either row, or the row's end."""
    x = first
    while x + _CHUNK <= labels.size:
        any_label = labels.dtype.type(0)
        for i in range(_CHUNK):
            both = labels[np.uint64(x + i)] | labels_above[np.uint64(x + i)]
            any_label = labels.dtype.type(any_label | both)
        if any_label:
            break
        x += _CHUNK
    while x < labels.size and labels[np.uint64(x)] == 0 and labels_above[np.uint64(x)] == 0:
        x += 1
    return x


@kernel
def touched(labels: Array, labels_above: Array, first: int) -> int:
    """The first pixel after `first` whose filtered bytes equal its twin's, or the row's end.

    Pixel `first` is painted, or has another left neighbour than its twin.
    """
    x = first + 1
    while x < labels.size and (
        labels[np.uint64(x)] != 0
        or labels_above[np.uint64(x)] != 0
        or labels[np.uint64(x - 1)] != 0
        or labels_above[np.uint64(x - 1)] != 0
    ):
        x += 1
    return x


@kernel
def _mix(labels: Array, table: Array, row: Array) -> None:
    """Mix painted pixels of the right half half and half with their colours."""
    x = unpainted(labels, labels, 0)
    while x < labels.size:
        label = labels[np.uint64(x)]
        if label:
            for channel in range(3):
                i = np.uint64(3 * (labels.size + x) + 6 + channel)
                row[i] = (int(row[i]) + int(table[label, channel])) >> 1
            x += 1
        else:
            x = unpainted(labels, labels, x)


@kernel
def _put_left(out: Array, at: Bits, codes: Codes, data: Array, words: Array, last: int) -> Bits:
    """Code bytes 0..last (excluded) of a filtered row: literals, and matches for runs of zeros."""
    whole = np.uint64(last >> 3)
    k = np.uint64(0)
    while k < whole:
        word = words[k]
        # The array always has another word after the last whole one.
        if word == 0 and words[k + np.uint64(1)] == 0:
            run = k + np.uint64(1)
            while run < whole and words[run] == 0:
                run += np.uint64(1)
            at = put(out, at, codes.code[0], codes.length[0])
            at = put_match(out, at, codes, 8 * int(run - k) - 1, False)
            k = run
        else:
            at = put_four(out, at, codes, word)
            at = put_four(out, at, codes, word >> np.uint64(32))
            k += np.uint64(1)
    return put_literals(out, at, codes, data, 8 * (last >> 3), last)


@kernel
def _put_right(
    out: Array, at: Bits, codes: Codes, data: Array, labels: Array, labels_above: Array
) -> Bits:
    """Code the right half: matches of the left half, and literals where it is painted."""
    width = labels.size
    right = 3 * width + 4
    x = 0
    while x < width:
        first = x
        x = touched(labels, labels_above, x)
        at = put_literals(out, at, codes, data, right + 3 * first, right + 3 * x)
        first = x
        x = unpainted(labels, labels_above, x)
        if x > first:
            at = put_match(out, at, codes, 3 * (x - first), True)
    return at


@kernel
def sums(data: Array, size: int) -> tuple[int, int]:
    """Sum of the first `size` bytes, and that of each times the bytes from it to the end."""
    total = 0
    weighted = 0
    first = 0
    while first + _BLOCK <= size:
        part = np.uint16(0)
        weighted_part = np.uint32(0)
        for i in range(_BLOCK):
            # Kept to 16 bits, just enough for a block, so that a vector holds twice as many.
            byte = np.uint16(data[np.uint64(first + i)])
            part = np.uint16(part + byte)
            weighted_part = np.uint32(weighted_part + np.uint16(np.uint16(_BLOCK - i) * byte))
        weighted += _BLOCK * total + int(weighted_part)
        total += int(part)
        first += _BLOCK
    for i in range(first, size):
        total += int(data[i])
        weighted += total
    return total, weighted


@kernel
def _sums_within(
    data: Array, size: int, total: int, weighted: int, first: int, last: int
) -> tuple[int, int]:
    """The sums of bytes first..last (excluded), from those of the first `size`: few others."""
    for begin, end in ((0, first), (last, size)):
        for i in range(begin, end):
            total -= int(data[i])
            weighted -= (size - i) * int(data[i])
    return total, weighted - (size - last) * total


@kernel
def advance(adler: int, size: int, total: int, weighted: int) -> int:
    """Adler-32 after `size` more bytes of which the sums are known."""
    low = adler & 0xFFFF
    high = adler >> 16
    high = (high + size * low + weighted) % _MODULUS
    return (high << 16) | ((low + total) % _MODULUS)


@kernel
def make_row(
    kind: int,
    image: Array,
    labels: Array,
    table: Array,
    painted: bool,
    painted_above: bool,
    row: Array,
    above: Array,
    filtered: Array,
    adler: int,
) -> int:
    """Compose and filter one page row; return the Adler-32 of all rows so far.

    If nothing is painted in the row and the one above, `filtered` is made up to the first pixel of
    the right half only, for what follows is the left half again from its second pixel on.
    """
    n = image.size
    _compose_left(image, row)
    filtered[0] = kind
    if painted or painted_above:
        if not painted_above:
            _mirror(above, n)  # it was not made before
        _mirror(row, n)
        _mix(labels, table, row)
        filter_row(kind, row, above, filtered, 0, 2 * n + 3, 3)
        total, weighted = sums(filtered, 2 * n + 4)
        return advance(adler, 2 * n + 4, total, weighted)
    filter_row(kind, row, above, filtered, 0, n + 6, 3)
    total, weighted = sums(filtered, n + 7)
    adler = advance(adler, n + 7, total, weighted)
    total, weighted = _sums_within(filtered, n + 7, total, weighted, 4, n + 1)
    return advance(adler, n - 3, total, weighted)


@kernel
def compose_above(image: Array, labels: Array, table: Array, whole: bool, row: Array) -> bool:
    """Compose the row above a strip; return whether its right half was made, which paint needs."""
    _compose_left(image, row)
    whole = whole or is_painted(labels)
    if whole:
        _mirror(row, image.size)
        _mix(labels, table, row)
    return whole


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
    first: int,
    is_part: bool,
    out: Array,
) -> tuple[int, int]:
    """Compose and compress a page or a strip; return the stream's size in bytes, and its Adler-32.

    Parameters
    ----------
    image
        (height, 3 * width) uint8.
    labels, table
        (height, width) labels, (labels, 3) colours.
    first, is_part
        The row to begin with: 1 if the one before it is that above the strip, else 0. Whether more
        is to follow, see `deflate.stream`.
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
    is_wide = 3 * width + 3 > WINDOW
    far = 2 if is_wide else 3 * width + 3
    codes = Codes(code_memory[0], code_memory[1], pairs, distance_symbol(1), distance_symbol(far))
    at = begin_two(out, codes, is_part)
    adler = 1
    row = rows[0]
    above = rows[1]
    filtered = rows[2]
    n = 3 * width
    painted_above = False
    if first:
        painted_above = compose_above(image[0], labels[0], table, is_wide, above)
    for y in range(first, height):
        painted = is_wide or is_painted(labels[y])
        adler = make_row(
            kind, image[y], labels[y], table, painted, painted_above, row, above, filtered, adler
        )
        if is_wide:
            at = _put_left(out, at, codes, filtered, words[2], 2 * n + 4)
        elif painted or painted_above:
            at = _put_left(out, at, codes, filtered, words[2], n + 4)
            at = _put_right(out, at, codes, filtered, labels[y], labels[max(y - 1, 0)])
        else:
            at = _put_left(out, at, codes, filtered, words[2], n + 7)
            if width > 1:
                at = put_match(out, at, codes, n - 3, True)
        row, above = above, row
        painted_above = painted
    return finish(out, at, codes.code[END], codes.length[END], adler, is_part), adler
