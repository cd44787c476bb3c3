"""Human pages of gray originals, which repeat themselves in every pixel.

All three bytes of a pixel are equal, and so are the three of its difference to PNG's guess; and
three bytes are the shortest match of deflate. So pixels are coded as repetitions of what was seen
before, see `repeats`. Such a distance takes fewer bits than three literals, or six: files are less
than two thirds of those with literals.

The left half is handled as one byte a pixel. In rows where nothing is painted the right half
repeats the left one. Then what was seen is noted there, because that is nearer to the rows that
follow.
"""

import numpy as np

from ..jit import Array, kernel
from . import page_tokens as token
from .page import advance, filter_row, is_painted, sums, touched, unpainted
from .repeats import SEEN, add_left, add_match, add_span, byte, clear

__all__ = ["ROWS", "SEEN", "choose", "is_gray", "tokenize"]


@kernel
def is_gray(image: Array) -> bool:
    """Whether red, green and blue are equal everywhere in a picture (height, 3 * width)."""
    for y in range(image.shape[0]):
        different = 0
        for i in range(0, image.shape[1], 3):
            green = image[y, np.uint64(i + 1)]
            different |= image[y, np.uint64(i)] ^ green
            different |= image[y, np.uint64(i + 2)] ^ green
        if different:
            return False
    return True


# Rows of `rows`: the grays of a row of the original and of that above it, behind a zero; a row of
# the left half, a filter and a byte a pixel. Then the right half, three bytes a pixel: twice the
# last pixel of the left one, the divider, and the pixels; and filtered, from the divider on.
_ROW = 0
_ABOVE = 1
_LEFT = 2
_RIGHT = 3
_RIGHT_FILTERED = 5
ROWS = 6


@kernel
def _compose(grays: Array, labels: Array, table: Array, last: int, out: Array) -> None:
    """Write the right half of a row up to pixel `last` (excluded), mixed where it is painted."""
    for k in range(3):
        out[k] = grays[labels.size]
        out[k + 3] = 255 * (k & 1)
    for x in range(last):
        for k in range(3):
            out[np.uint64(3 * x + k + 6)] = grays[np.uint64(x + 1)]
    x = unpainted(labels, labels, 0)
    while x < last:
        label = np.uint64(labels[np.uint64(x)])
        if label:
            gray = byte(grays, x + 1)
            for k in range(3):
                mixed = (gray + int(table[label, np.uint64(k)])) >> 1
                out[np.uint64(3 * x + k + 6)] = mixed
            x += 1
        else:
            x = unpainted(labels, labels, x)


@kernel
def _add_right(
    tokens: Array,
    count: int,
    seen: Array,
    behind: int,
    right: Array,
    labels: Array,
    labels_above: Array,
    position: int,
) -> int:
    """Append the right half: matches of the left half, and pixels where it is painted."""
    first = -1
    while first < labels.size:
        last = touched(labels, labels_above, max(first, 0))
        count = add_span(tokens, count, seen, behind, right, 3 * first + 3, 3 * last + 3, position)
        first = unpainted(labels, labels_above, last)
        count = add_match(tokens, count, first - last, behind, seen)
    return count


@kernel
def tokenize(
    image: Array,
    labels: Array,
    table: Array,
    kind: int,
    first: int,
    seen: Array,
    rows: Array,
    tokens: Array,
) -> tuple[int, int]:
    """Compose and filter a page or a strip; list its tokens; return their number and the Adler-32.

    Parameters
    ----------
    image, labels, table, kind, first
        As for `page.encode`.
    seen, rows
        (SEEN,) int64 and (ROWS, at least 3 * width + 16) uint8 of scratch.
    tokens
        int32, with room for every byte of the page.
    """
    height, width = labels.shape
    n = 3 * width
    behind = n + 3  # distance of the right half from the left one
    clear(seen)
    rows[_ROW, : width + 1] = 0
    rows[_RIGHT, :] = 0  # above the first row
    right_above = _RIGHT
    made = 1 if first == 0 else 0  # pixels of the right half that are made in the row above
    adler = 1
    count = 0
    if first:
        _take_grays(image[0], rows[_ROW])
    for y in range(first, height):
        # The row that was made is now that above.
        for x in range(width + 1):
            rows[_ABOVE, np.uint64(x)] = rows[_ROW, np.uint64(x)]
        _take_grays(image[y], rows[_ROW])
        filter_row(kind, rows[_ROW], rows[_ABOVE], rows[_LEFT], 0, width, 1)
        labels_above = labels[max(y - 1, 0)]
        is_plain = not (is_painted(labels[y]) or is_painted(labels_above))
        tokens[np.uint64(count)] = token.one_byte(kind)
        position = y * (2 * n + 4) + 1
        grays = rows[_LEFT, 1 : width + 1]
        twin = behind if is_plain else 0
        count = add_left(tokens, count + 1, seen, behind, grays, position, twin)
        # The divider, and the right half or its first pixel.
        last = 1 if is_plain else width
        if y and made < last:
            _compose(rows[_ABOVE], labels_above, table, last, rows[right_above])
        right = 2 * _RIGHT + 1 - right_above
        _compose(rows[_ROW], labels[y], table, last, rows[right])
        filter_row(kind, rows[right], rows[right_above], rows[_RIGHT_FILTERED], 0, 3 * last + 3, 3)
        right_above = right
        made = last
        data = rows[_RIGHT_FILTERED, 1:]
        total, weighted = sums(grays, width)
        if is_plain:
            # Both halves as if they were equal, by pixels of three bytes.
            weighted = 18 * weighted + 3 * (n + 1) * total + (2 * n + 4) * kind
            total = 6 * total + kind
            more, weighted_more = _sums_of_few(data, byte(grays, 0), n)
            count = add_span(tokens, count, seen, behind, data, 0, 6, position + n)
            count = add_match(tokens, count, width - 1, behind, seen)
        else:
            weighted = 9 * weighted + 3 * (n + 2) * total + (2 * n + 4) * kind
            total = 3 * total + kind
            more, weighted_more = sums(data, n + 3)
            count = _add_right(
                tokens, count, seen, behind, data, labels[y], labels_above, position + n
            )
        adler = advance(adler, 2 * n + 4, total + more, weighted + weighted_more)
    return count, adler


@kernel
def _sums_of_few(data: Array, gray: int, n: int) -> tuple[int, int]:
    """What the divider and the first pixel change in sums of a row with equal halves of n bytes.

    `gray` is what the first pixel of the left half has.
    """
    total = -3 * gray
    weighted = -3 * (n - 1) * gray
    for i in range(6):
        value = byte(data, i)
        total += value
        weighted += (n + 3 - i) * value
    return total, weighted


@kernel
def choose(image: Array, kind: int, step: int, counts: Array, rows: Array) -> float:
    """How many bits the filtered grays of every `step`-th row take, by their entropy.

    `counts` is (256,) int64, `rows` as for `tokenize`.
    """
    width = image.shape[1] // 3
    for value in range(256):
        counts[value] = 0
    total = 0
    for y in range(step >> 1, image.shape[0], step):
        _take_grays(image[y], rows[_ROW])
        if y:
            _take_grays(image[y - 1], rows[_ABOVE])
        else:
            rows[_ABOVE, : width + 1] = 0
        filter_row(kind, rows[_ROW], rows[_ABOVE], rows[_LEFT], 0, width, 1)
        for x in range(1, width + 1):
            counts[np.uint64(rows[_LEFT, np.uint64(x)])] += 1
        total += width
    bits = 0.0
    for value in range(256):
        if counts[value]:
            bits += counts[value] * np.log2(total / counts[value])
    return bits


@kernel
def _take_grays(image: Array, row: Array) -> None:
    """Write the grays of a row of the original behind a zero."""
    row[0] = 0
    for x in range(image.size // 3):
        row[np.uint64(x + 1)] = image[np.uint64(3 * x)]
