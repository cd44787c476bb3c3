"""Where pixels of a page of grays were seen last, and tokens that repeat them.

Pixels are coded two by two, as a repetition of the same two where they were seen last; or else each
by itself. A table says where that was, so nothing is searched, and since nearly every pair was seen
before, the processor guesses hardly a branch wrongly. Longer repetitions are looked for only every
eight pixels, for the sake of flat areas.
"""

import numpy as np

from ..jit import Array, kernel
from . import page_tokens as token

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
def byte(data: Array, i: int) -> int:
    """A byte as a number with a sign.

    Without one, as `int` leaves it, Numba makes floating point numbers to compare it with others.
    """
    return 0 + int(data[np.uint64(i)])


@kernel
def clear(seen: Array) -> None:
    """Forget everything."""
    for i in range(_SYMBOLS_AT):
        seen[i] = _NEVER
    token.tabulate_distances(seen[_SYMBOLS_AT:])


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
def add_match(tokens: Array, count: int, pixels: int, distance: int, seen: Array) -> int:
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
        gray = byte(grays, x)
        seen[np.uint64(gray)] = noted << 24
        pair, place = _pair(byte(grays, x - 1), gray)
        seen[place] = (noted - 3) << 16 | pair
        noted += 3


@kernel
def add_left(
    tokens: Array, count: int, seen: Array, behind: int, grays: Array, position: int, twin: int
) -> int:
    """Append the left half of a row, of which `grays` has one byte a pixel.

    Its first pixel is byte number `position` of the stream. All but that are noted `twin` bytes
    behind where they are.
    """
    width = grays.size
    second = byte(grays, 0)
    count = _add_gray(tokens, count, seen, behind, second, position, position)
    x = 1
    position += 3
    next_look = 1
    while x + 1 < width:
        before = second
        first = byte(grays, x)
        second = byte(grays, x + 1)
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
                count = add_match(tokens, count, run, distance, seen)
                x += run
                position += 3 * run
                next_look = x
                second = byte(grays, x - 1)
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
        first = byte(grays, x)
        count = _add_gray(tokens, count, seen, behind, first, position, position + twin)
    return count


@kernel
def add_span(
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
        red = byte(right, i)
        green = byte(right, i + 1)
        blue = byte(right, i + 2)
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
                count = add_match(tokens, count, run, distance, seen)
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
