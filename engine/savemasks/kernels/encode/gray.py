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
# the left half, a filter and a byte a pixel. Then some pixels of the right half, three bytes each:
# as they are, above them, filtered.
_ROW = 0
_ABOVE = 1
_LEFT = 2
_SPAN = 3
_SPAN_ABOVE = 4
_SPAN_FILTERED = 5
ROWS = 6


@kernel
def _compose(
    rows: Array, grays: int, labels: Array, table: Array, first: int, last: int, out: int
) -> None:
    """Write pixels first..last (excluded) of the right half as colours, from row to row.

    Pixel -1 is the divider, pixel -2 the last one of the left half.
    """
    begin = first
    if first == -2:
        for k in range(3):
            rows[out, k] = rows[grays, labels.size]
            rows[out, k + 3] = 255 * (k & 1)
        begin = 0
    i = 3 * (begin - first)
    for x in range(begin, last):
        gray = np.int64(rows[grays, np.uint64(x + 1)])
        label = np.uint64(labels[np.uint64(x)])
        for k in range(3):
            mixed = (gray + np.int64(table[label, np.uint64(k)])) >> 1
            rows[out, np.uint64(i + k)] = mixed if label else gray
        i += 3


@kernel
def _filter_span(
    rows: Array, labels: Array, y: int, table: Array, kind: int, first: int, last: int
) -> None:
    """Compose and filter pixels first..last (excluded) of the right half of a row."""
    size = 3 * (last - first)
    _compose(rows, _ROW, labels[y], table, first - 1, last, _SPAN)
    if y:
        _compose(rows, _ABOVE, labels[y - 1], table, first - 1, last, _SPAN_ABOVE)
    else:
        rows[_SPAN_ABOVE, : size + 3] = 0
    filter_row(kind, rows[_SPAN], rows[_SPAN_ABOVE], rows[_SPAN_FILTERED], 0, size, 3)


@kernel
def _add_span(
    tokens: Array, count: int, seen: Array, behind: int, span: Array, position: int
) -> int:
    """Append filtered pixels of the right half, the first of which is byte `position`."""
    next_look = 0
    i = 0
    while i < span.size:
        red = np.int64(span[np.uint64(i)])
        green = np.int64(span[np.uint64(i + 1)])
        blue = np.int64(span[np.uint64(i + 2)])
        pixel = red | green << 8 | blue << 16
        is_gray = pixel == red * 0x010101
        place = np.uint64(red if is_gray else 256 + ((pixel * _HASH >> 20) & (_SHARED - 1)))
        entry = seen[place]
        distance = _distance(position + i, entry >> 24, behind)
        is_known = (is_gray or (entry & 0xFFFFFF) == pixel) and distance <= _WINDOW
        if i >= next_look and is_known and distance <= i and i + 3 * _BLOCK <= span.size:
            run = _repeated(span, i, span.size, distance) // 3
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
def _sums_of_span(span: Array, left: Array) -> tuple[int, int]:
    """What pixels change in the sums of `page.sums` of a row with two equal halves.

    `left` has the same pixels of the left half, and all behind them.
    """
    total = 0
    weighted = 0
    for i in range(span.size):
        value = np.int64(span[np.uint64(i)])
        total += value
        weighted += (3 * left.size - i) * value
    for x in range(span.size // 3):
        value = np.int64(left[np.uint64(x)])
        total -= 3 * value
        weighted -= (9 * (left.size - x) - 3) * value
    return total, weighted


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
    for x in range(width + 1):
        rows[_ROW, np.uint64(x)] = 0
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
        # Both halves as if they were equal, by pixels of three bytes.
        total, weighted = sums(grays, width)
        weighted = 18 * weighted + 3 * (n + 1) * total + (2 * n + 4) * kind
        total = 6 * total + kind
        # The divider and the right half: matches of the left half, and pixels where it is painted.
        rows[_LEFT, 0] = 0  # in place of the divider, which the left half does not have
        position += n
        x = -1
        while x < width:
            last = 1 if is_plain else touched(labels[y], labels_above, max(x, 0))
            _filter_span(rows, labels, y, table, kind, x, last)
            span = rows[_SPAN_FILTERED, 1 : 1 + 3 * (last - x)]
            left = rows[_LEFT, x + 1 : width + 1]
            more, weighted_more = _sums_of_span(span, left)
            total += more
            weighted += weighted_more
            count = _add_span(tokens, count, seen, behind, span, position + 3 * (x + 1))
            x = width if is_plain else unpainted(labels[y], labels_above, last)
            count = _add_match(tokens, count, x - last, behind, seen)
        adler = advance(adler, 2 * n + 4, total, weighted)
    return count, adler


@kernel
def _take_grays(image: Array, row: Array) -> None:
    """Write the grays of a row of the original behind a zero."""
    row[0] = 0
    for x in range(image.size // 3):
        row[np.uint64(x + 1)] = image[np.uint64(3 * x)]
