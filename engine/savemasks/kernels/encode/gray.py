"""Human pages of gray originals, which repeat themselves in every pixel.

All three bytes of a pixel are equal, and so are the three of its difference to PNG's guess; and
three bytes are the shortest match of deflate. So a pixel is coded as a repetition of the nearest
pixel before it that has the same difference. That one is mostly a few pixels away, and its distance
takes fewer bits than three literals: files are a third smaller than with literals.

A page becomes a list of tokens first, so that the codes fit it exactly. A token is a literal byte,
or of a match length << 18 | symbol of the distance << 13 | extra bits of the distance.
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
from ..jit import Array, allocating_kernel, kernel
from .page import compose_above, is_painted, make_row, touched, unpainted

_WINDOW = 32768
_LONGEST_PIXELS = LONGEST_MATCH // 3
_NEVER = -(1 << 40)
_SHARED = 1024


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


@kernel
def _tabulate_distances(symbols: Array) -> None:
    """Write the symbols of distances 1..32768 at 0..32767."""
    first = 0
    while first < _WINDOW:
        symbol, _, bits = distance_symbol(first + 1)
        symbols[first : first + (1 << bits)] = symbol
        first += 1 << bits


@kernel
def _match(length: int, distance: int, symbols: Array) -> int:
    """Token of a match of 3..258 bytes."""
    symbol = int(symbols[np.uint64(distance - 1)])
    extra = max(0, (symbol >> 1) - 1)
    return length << 18 | symbol << 13 | (distance - 1) & ((1 << extra) - 1)


@kernel
def _add_literals(tokens: Array, count: int, data: Array, first: int, last: int) -> int:
    """Append bytes first..last (excluded)."""
    for i in range(first, last):
        tokens[np.uint64(count)] = data[np.uint64(i)]
        count += 1
    return count


@kernel
def _add_far(tokens: Array, count: int, length: int, distance: int, symbols: Array) -> int:
    """Append a repetition of any number of bytes but 1 and 2."""
    while length > 0:
        part = min(length, LONGEST_MATCH)
        if 0 < length - part < 3:
            part -= 3  # leave enough for another match
        tokens[np.uint64(count)] = _match(part, distance, symbols)
        count += 1
        length -= part
    return count


@kernel
def _pixel(data: Array, i: int) -> int:
    """The three bytes at i as one number."""
    red = int(data[np.uint64(i)])
    green = int(data[np.uint64(i + 1)])
    return red | green << 8 | int(data[np.uint64(i + 2)]) << 16


@kernel
def _slot(pixel: int) -> int:
    """Index of a pixel in `nearest`: every gray has its own, mixed colours share some."""
    gray = pixel & 0xFF
    return gray if pixel == gray * 0x010101 else 256 + (pixel * 0x9E3779B1 >> 20 & (_SHARED - 1))


@kernel
def _add_pixels(
    tokens: Array,
    count: int,
    data: Array,
    first: int,
    last: int,
    base: int,
    nearest: Array,
    symbols: Array,
) -> int:
    """Append the pixels at bytes first..last (excluded) of a row.

    Its byte 0 is number `base` of the stream. `nearest[_slot(pixel)]` is where in the stream a
    pixel was seen last, and which one.
    """
    i = first
    while i < last:
        pixel = _pixel(data, i)
        slot = np.uint64(_slot(pixel))
        distance = base + i - nearest[slot, 0]
        known = nearest[slot, 1] == pixel and distance <= _WINDOW
        nearest[slot, 0] = base + i
        nearest[slot, 1] = pixel
        end = i + 3
        if not known:
            count = _add_literals(tokens, count, data, i, end)
            i = end
            continue
        if distance < i:  # within this row, so the pixels after it may repeat as well
            limit = min(last, i + 3 * _LONGEST_PIXELS)
            while end < limit:
                pixel = _pixel(data, end)
                if pixel != _pixel(data, end - distance):
                    break
                slot = np.uint64(_slot(pixel))
                nearest[slot, 0] = base + end
                nearest[slot, 1] = pixel
                end += 3
        tokens[np.uint64(count)] = _match(end - i, distance, symbols)
        count += 1
        i = end
    return count


@kernel
def _add_grays(
    tokens: Array, count: int, data: Array, last: int, base: int, nearest: Array, symbols: Array
) -> int:
    """As `_add_pixels` for the bytes 1..last (excluded), all of whose pixels are gray."""
    i = 1
    while i < last:
        gray = np.uint64(data[np.uint64(i)])
        distance = base + i - nearest[gray, 0]
        nearest[gray, 0] = base + i
        end = i + 3
        if distance > _WINDOW:
            nearest[gray, 1] = int(gray) * 0x010101
            count = _add_literals(tokens, count, data, i, end)
            i = end
            continue
        if distance < i:
            limit = min(last, i + 3 * _LONGEST_PIXELS)
            while end < limit:
                gray = np.uint64(data[np.uint64(end)])
                if gray != np.uint64(data[np.uint64(end - distance)]):
                    break
                nearest[gray, 0] = base + end
                end += 3
        tokens[np.uint64(count)] = _match(end - i, distance, symbols)
        count += 1
        i = end
    return count


@kernel
def _add_right(
    tokens: Array,
    count: int,
    data: Array,
    labels: Array,
    labels_above: Array,
    base: int,
    nearest: Array,
    symbols: Array,
) -> int:
    """Append the right half: matches of the left half, and pixels where it is painted."""
    width = labels.size
    right = 3 * width + 4
    x = 0
    while x < width:
        first = x
        x = touched(labels, labels_above, x)
        count = _add_pixels(
            tokens, count, data, right + 3 * first, right + 3 * x, base, nearest, symbols
        )
        first = x
        x = unpainted(labels, labels_above, x)
        count = _add_far(tokens, count, 3 * (x - first), 3 * width + 3, symbols)
    return count


@kernel
def _move_right(nearest: Array, base: int, data: Array, n: int) -> None:
    """Note where the right half repeats the gray seen last: that is nearer to the next row."""
    for gray in range(256):
        i = nearest[gray, 0] - base
        if 1 <= i <= n and _pixel(data, i + n + 3) == nearest[gray, 1]:
            nearest[gray, 0] += n + 3


@allocating_kernel
def tokenize(
    image: Array, labels: Array, table: Array, kind: int, rows: Array, first: int, tokens: Array
) -> tuple[int, int]:
    """Compose and filter a page or a strip; list its tokens; return their number and the Adler-32.

    Parameters are those of `page.encode`, but for `tokens`, int32 with room for every byte.
    """
    height, width = labels.shape
    n = 3 * width
    symbols = np.empty(_WINDOW, np.uint8)
    _tabulate_distances(symbols)
    nearest = np.full((256 + _SHARED, 2), _NEVER, np.int64)
    row = rows[0]
    above = rows[1]
    filtered = rows[2]
    adler = 1
    count = 0
    painted_above = False
    if first:
        painted_above = compose_above(image[0], labels[0], table, False, above)
    for y in range(first, height):
        painted = is_painted(labels[y])
        adler = make_row(
            kind, image[y], labels[y], table, painted, painted_above, row, above, filtered, adler
        )
        base = y * (2 * n + 4)
        count = _add_literals(tokens, count, filtered, 0, 1)
        count = _add_grays(tokens, count, filtered, n + 1, base, nearest, symbols)
        count = _add_literals(tokens, count, filtered, n + 1, n + 4)
        if painted or painted_above:
            count = _add_right(
                tokens,
                count,
                filtered,
                labels[y],
                labels[max(y - 1, 0)],
                base,
                nearest,
                symbols,
            )
            _move_right(nearest, base, filtered, n)
        else:
            count = _add_literals(tokens, count, filtered, n + 4, n + 7)
            count = _add_far(tokens, count, n - 3, n + 3, symbols)
            for value in range(256):
                if nearest[value, 0] >= base + 4:
                    nearest[value, 0] += n + 3
        row, above = above, row
        painted_above = painted
    return count, adler


@allocating_kernel
def _count(tokens: Array, counts: Array, distance_counts: Array) -> None:
    """Count how often each symbol will be used."""
    by_length = np.zeros(LONGEST_MATCH + 1, np.int64)
    for token in tokens:
        if token < 256:
            counts[np.uint64(token)] += 1
        else:
            by_length[np.uint64(token >> 18)] += 1
            distance_counts[np.uint64(token >> 13 & 31)] += 1
    for length in range(3, LONGEST_MATCH + 1):
        counts[length_symbol(length)[0]] += by_length[length]
    counts[END] += 1


@allocating_kernel
def encode(tokens: Array, adler: int, is_part: bool, out: Array) -> int:
    """Write tokens as a zlib stream to uint64 words; return its size in bytes."""
    counts = np.zeros(SYMBOLS, np.int64)
    distance_counts = np.zeros(DISTANCES, np.int64)
    _count(tokens, counts, distance_counts)
    code = np.empty((2, SYMBOLS), np.int64)
    distance_code = np.empty((2, DISTANCES), np.int64)
    # All symbols need a code; those that do not occur should not lengthen the others much.
    fit_codes(16 * counts + 1, code[0], code[1])
    fit_codes(16 * distance_counts + 1, distance_code[0], distance_code[1])
    # Codes of lengths with their extra bits.
    length_code = np.zeros((2, LONGEST_MATCH + 1), np.int64)
    for length in range(3, LONGEST_MATCH + 1):
        symbol, extra, extra_bits = length_symbol(length)
        length_code[0, length] = code[0, symbol] | extra << code[1, symbol]
        length_code[1, length] = code[1, symbol] + extra_bits
    at = begin(out, code[1], distance_code[1], is_part)
    for token in tokens:
        if token < 256:
            at = put(out, at, code[0, np.uint64(token)], code[1, np.uint64(token)])
            continue
        length = token >> 18
        symbol = token >> 13 & 31
        fill = length_code[1, np.uint64(length)]
        distance_fill = distance_code[1, np.uint64(symbol)]
        distance = distance_code[0, np.uint64(symbol)] | (token & 0x1FFF) << distance_fill
        bits = length_code[0, np.uint64(length)] | distance << fill
        at = put(out, at, bits, fill + distance_fill + max(0, (symbol >> 1) - 1))
    return finish(out, at, code[0, END], code[1, END], adler, is_part)
