"""Human pages of gray originals, which repeat themselves in every pixel.

All three bytes of a pixel are equal, and so are the three of its difference to PNG's guess; and
three bytes are the shortest match of deflate. So pixels are coded as repetitions: two by two, of
the same two where they were seen last; or else each by itself. Such a distance takes fewer bits
than six literals, or three, and files are less than half as large as with literals.

The left half is handled as one byte a pixel. A table says where each pair was seen last, so nothing
is searched, and since nearly every pair was seen before, the processor guesses hardly a branch
wrongly. Longer repetitions are looked for only every eight pixels, for the sake of flat areas. In
rows where nothing is painted the right half repeats the left one. Then what was seen is noted
there, because that is nearer to the rows that follow.
"""

import numpy as np

from ..jit import Array, kernel
from . import tokens as token
from .page import advance, filter_row, is_painted, sums, touched, unpainted

_WINDOW = 32768
_SHARED = 1024
_NEVER = -(1 << 62)  # position of what was not seen, however it is shifted
_BLOCK = 8  # pixels after which longer repetitions are looked for
_HASH = 0x9E3779B1

# `seen`, an array of int64, has where in the stream pixels and pairs were seen last:
# - position << 24 | pixel. Every gray has its own place, where the pixel does not matter; mixed
#   colours share some
# - position << 16 | two grays
# Symbols of distances follow.
_PAIRS_AT = 256 + _SHARED
_PAIRS = 2048
_SYMBOLS_AT = _PAIRS_AT + _PAIRS
SEEN = _SYMBOLS_AT + token.SYMBOL_PLACES


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
def _distance(position: int, noted: int, behind: int) -> int:
    """How far back something was seen, which may be noted on the right of the same row."""
    distance = position - noted
    return distance if distance > 0 else distance + behind


@kernel
def _pair(first: int, second: int) -> tuple[int, np.uint64]:
    """Two grays as one number, and where in `seen` they belong."""
    pair = first << 8 | second
    return pair, np.uint64(_PAIRS_AT + ((pair * _HASH >> 11) & (_PAIRS - 1)))


@kernel
def _match(pixels: int, distance: int, seen: Array) -> int:
    """Token that repeats 1..86 pixels from a distance of 1..32768 bytes."""
    place = token.place_of_distance(distance)
    return token.match(pixels, distance, seen[np.uint64(_SYMBOLS_AT + place)])


@kernel
def _add_match(tokens: Array, count: int, pixels: int, distance: int, seen: Array) -> int:
    """Append a repetition of any number of pixels; return the number of tokens."""
    while pixels > 0:
        part = min(pixels, token.MOST_PIXELS)
        tokens[np.uint64(count)] = _match(part, distance, seen)
        count += 1
        pixels -= part
    return count


@kernel
def _add_gray(
    tokens: Array, count: int, seen: Array, behind: int, gray: int, position: int, noted: int
) -> int:
    """Append a gray pixel, and note where it is; return the number of tokens."""
    place = np.uint64(gray)
    distance = _distance(position, seen[place] >> 24, behind)
    seen[place] = noted << 24
    if distance <= _WINDOW:
        tokens[np.uint64(count)] = _match(1, distance, seen)
    else:
        tokens[np.uint64(count)] = token.three_bytes(gray)
    return count + 1


@kernel
def _eight(data: Array, i: int) -> np.uint64:
    """Eight bytes at i as one number."""
    word = np.uint64(data[np.uint64(i)])
    for k in range(1, _BLOCK):
        word |= np.uint64(data[np.uint64(i + k)]) << np.uint64(8 * k)
    return word


@kernel
def _repeated(data: Array, first: int, last: int, back: int) -> int:
    """How many bytes from `first` on equal those `back` before; 0 if fewer than eight do."""
    if _eight(data, first) != _eight(data, first - back):
        return 0
    end = first + _BLOCK
    while end < last and data[np.uint64(end)] == data[np.uint64(end - back)]:
        end += 1
    return end - first


@kernel
def _note(seen: Array, grays: Array, first: int, last: int, noted: int) -> None:
    """Note pixels first..last (excluded) and their pairs; `noted` is where the first one is."""
    for x in range(first, last):
        gray = np.int64(grays[np.uint64(x)])
        seen[np.uint64(gray)] = noted << 24
        pair, place = _pair(np.int64(grays[np.uint64(x - 1)]), gray)
        seen[place] = (noted - 3) << 16 | pair
        noted += 3


@kernel
def _add_left(
    tokens: Array, count: int, seen: Array, behind: int, grays: Array, position: int, twin: int
) -> int:
    """Append the left half of a row, of which `grays` has one byte a pixel.

    Its first pixel is byte number `position` of the stream. All but that are noted `twin` bytes
    behind where they are.
    """
    width = grays.size
    second = np.int64(grays[0])
    count = _add_gray(tokens, count, seen, behind, second, position, position)
    x = 1
    position += 3
    next_look = 1
    while x + 1 < width:
        before = second
        first = np.int64(grays[np.uint64(x)])
        second = np.int64(grays[np.uint64(x + 1)])
        noted = position + twin
        if x > 1:
            pair, place = _pair(before, first)
            seen[place] = (noted - 3) << 16 | pair
        pair, place = _pair(first, second)
        entry = seen[place]
        distance = _distance(position, entry >> 16, behind)
        if (entry & 0xFFFF) != pair or distance > _WINDOW:
            seen[place] = noted << 16 | pair
            count = _add_gray(tokens, count, seen, behind, first, position, noted)
            count = _add_gray(tokens, count, seen, behind, second, position + 3, noted + 3)
            x += 2
            position += 6
            continue
        if x >= next_look and distance <= 3 * x and x + _BLOCK <= width:  # in this row
            run = _repeated(grays, x, width, distance // 3)
            next_look = x + _BLOCK
            if run:
                count = _add_match(tokens, count, run, distance, seen)
                x += run
                position += 3 * run
                next_look = x
                second = np.int64(grays[np.uint64(x - 1)])
                # The last ones only: the others are as near as one looks.
                _note(seen, grays, x - _BLOCK + 1, x, position + twin - 3 * (_BLOCK - 1))
                continue
        seen[place] = noted << 16 | pair
        seen[np.uint64(first)] = noted << 24
        seen[np.uint64(second)] = (noted + 3) << 24
        tokens[np.uint64(count)] = _match(2, distance, seen)
        count += 1
        x += 2
        position += 6
    if x < width:
        first = np.int64(grays[np.uint64(x)])
        count = _add_gray(tokens, count, seen, behind, first, position, position + twin)
    return count


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
            gray = np.int64(grays[np.uint64(x + 1)])
            for k in range(3):
                mixed = (gray + np.int64(table[label, np.uint64(k)])) >> 1
                out[np.uint64(3 * x + k + 6)] = mixed
            x += 1
        else:
            x = unpainted(labels, labels, x)


@kernel
def _add_span(
    tokens: Array,
    count: int,
    seen: Array,
    behind: int,
    right: Array,
    first: int,
    last: int,
    position: int,
) -> int:
    """Append bytes first..last (excluded) of the right half, which begins at `position`.

    Its first three bytes are the divider.
    """
    next_look = first
    i = first
    while i < last:
        red = np.int64(right[np.uint64(i)])
        green = np.int64(right[np.uint64(i + 1)])
        blue = np.int64(right[np.uint64(i + 2)])
        pixel = red | green << 8 | blue << 16
        is_gray = pixel == red * 0x010101
        place = np.uint64(red if is_gray else 256 + ((pixel * _HASH >> 20) & (_SHARED - 1)))
        entry = seen[place]
        distance = _distance(position + i, entry >> 24, behind)
        is_known = (is_gray or (entry & 0xFFFFFF) == pixel) and distance <= _WINDOW
        if i >= next_look and is_known and distance <= i - first and i + 3 * _BLOCK <= last:
            run = _repeated(right, i, last, distance) // 3
            next_look = i + 3 * _BLOCK
            if run:
                count = _add_match(tokens, count, run, distance, seen)
                i += 3 * run
                next_look = i
                continue
        seen[place] = (position + i) << 24 | pixel
        # All three are written every time, which is faster than to guess.
        match = _match(1, distance if is_known else 1, seen)
        tokens[np.uint64(count)] = match if is_known else token.one_byte(red)
        tokens[np.uint64(count + 1)] = token.one_byte(green)
        tokens[np.uint64(count + 2)] = token.one_byte(blue)
        count += 1 if is_known else 3
        i += 3
    return count


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
        count = _add_span(tokens, count, seen, behind, right, 3 * first + 3, 3 * last + 3, position)
        first = unpainted(labels, labels_above, last)
        count = _add_match(tokens, count, first - last, behind, seen)
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
    for i in range(_SYMBOLS_AT):
        seen[i] = _NEVER
    token.tabulate_distances(seen[_SYMBOLS_AT:])
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
        count = _add_left(tokens, count + 1, seen, behind, grays, position, twin)
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
            more, weighted_more = _sums_of_few(data, np.int64(grays[0]), n)
            count = _add_span(tokens, count, seen, behind, data, 0, 6, position + n)
            count = _add_match(tokens, count, width - 1, behind, seen)
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
        value = np.int64(data[i])
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
