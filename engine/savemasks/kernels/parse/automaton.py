"""An annotation's text → flat arrays, in one pass, without an object of Python for what is in it.

Only usual annotations: polygons, rectangles, lines, points and bitmaps, each key once and nothing
wrong anywhere. Whatever else there is, the text is refused as a whole, and the caller reads it with
a real JSON parser, which knows what to say of it.
"""

import numpy as np

from ...shapes import BITMAP, COORDINATE_LIMIT, POINT, POLYGON, RECTANGLE
from ..jit import Array, brief_kernel, kernel
from .grammar import (
    CLASS,
    CONTENTS,
    DATA,
    FIELDS,
    FIRST,
    HEIGHT,
    IN_BITMAP,
    IN_DICT,
    IN_EXTERIOR,
    IN_FILE,
    IN_HOLE,
    IN_LIST,
    IN_OBJECT,
    IN_SIZE,
    KIND,
    KINDS,
    LAST,
    LITERAL,
    N_BITMAPS,
    N_CLASS,
    N_EXTERIORS,
    N_FIRST_POINT,
    N_FIRST_RING,
    N_GEOMETRIES,
    N_GEOMETRY,
    N_HEIGHT,
    N_MOST,
    N_OBJECTS,
    N_ORIGINS,
    N_POINTS,
    N_RINGS,
    N_SHAPES,
    N_VERTEX,
    N_WIDTH,
    NUMBER,
    OBJECT,
    ORIGIN,
    OTHER,
    PASS,
    PAYLOAD,
    REFUSE,
    RING,
    SHAPES,
    SIZE,
    SKIPPED,
    STEPS,
    TAKE,
    TEXT,
    THRESHOLD,
    THRESHOLDS,
    TITLE,
    WORDS,
    sizes_of,
)
from .lookup_names import UNKNOWN, find
from .tokens import (
    NEAR,
    WHOLE,
    WRONG,
    after_literal,
    after_white,
    char_at,
    end_of_text,
    read_number,
)

_QUOTE, _COMMA, _COLON, _MINUS, _ZERO, _NINE = 34, 44, 58, 45, 48, 57
_OPEN_LIST, _CLOSE_LIST, _OPEN_DICT, _CLOSE_DICT = 91, 93, 123, 125
_DEEPEST = 60  # bits of a whole number tell lists from objects
_BITS, _PLACE = 4, 15  # of a place in a stack of places
_OF_FILE = 1 << SIZE | 1 << CONTENTS

NOT_PAINTED = -2
"""The number of a class whose objects are counted, but not painted."""


@kernel
def _kind(char: int) -> int:
    """What kind of value begins with a character."""
    if char == _OPEN_DICT:
        return IN_DICT
    if char == _OPEN_LIST:
        return IN_LIST
    if char == _QUOTE:
        return TEXT
    return NUMBER if char == _MINUS or _ZERO <= char <= _NINE else LITERAL


@kernel
def _read_key(text: Array, at: int) -> tuple[int, int]:
    """The number of a key, and where its value begins, or `WRONG`."""
    if char_at(text, at) != _QUOTE:
        return OTHER, WRONG
    end, is_plain = end_of_text(text, at)
    if not is_plain:  # it may be a name that is wanted
        return OTHER, WRONG
    key = find(text, at + 1, end, WORDS)
    at = after_white(text, end + 1)
    if char_at(text, at) != _COLON:
        return OTHER, WRONG
    return (OTHER if key == UNKNOWN else key), after_white(text, at + 1)


@kernel
def _take_text(text: Array, at: int, key: int, is_wanted: bool, classes: Array, out: Array) -> int:
    """Read a text; return the index behind it."""
    end, is_plain = end_of_text(text, at)
    if end == WRONG or (is_wanted and not is_plain):
        return WRONG
    if is_wanted and key == DATA:
        shape = SHAPES + FIELDS * out[N_SHAPES]  # that will be made
        out[shape + FIRST] = at + 1
        out[shape + LAST] = end
    elif is_wanted:
        number = find(text, at + 1, end, classes if key == TITLE else WORDS)
        out[N_CLASS if key == TITLE else N_GEOMETRY] = number
    return end + 1


@kernel
def _take_number(text: Array, at: int, key: int, is_wanted: bool, out: Array) -> int:
    """Read a number, which is a side if it is wanted; return the index behind it."""
    value, at, rest = read_number(text, at)
    if is_wanted:
        if rest != WHOLE or not 0 < value <= COORDINATE_LIMIT:
            return WRONG
        out[N_HEIGHT if key == HEIGHT else N_WIDTH] = value
    return at


@kernel
def _take_points(text: Array, at: int, out: Array, xy: Array) -> int:
    """Read a point, and those that follow it behind commas; return the index behind the last."""
    number = out[N_POINTS]
    while True:
        for i in range(2):
            value, at, rest = read_number(text, after_white(text, at + 1))
            if at == WRONG or abs(value) > COORDINATE_LIMIT or rest == NEAR:
                return WRONG
            xy[np.uint64(number), np.uint64(i)] = value
            at = after_white(text, at)
            if char_at(text, at) != (_CLOSE_LIST if i else _COMMA):
                return WRONG
        number += 1
        at += 1
        comma = after_white(text, at)
        following = after_white(text, comma + 1)
        if char_at(text, comma) != _COMMA or char_at(text, following) != _OPEN_LIST:
            out[N_POINTS] = number
            return at
        at = following


@kernel
def _take(
    text: Array,
    at: int,
    place: int,
    key: int,
    kind: int,
    step: int,
    classes: Array,
    out: Array,
    xy: Array,
) -> int:
    """Read a text, a number, a literal, or points; return the index behind it."""
    if kind == TEXT:
        return _take_text(text, at, key, step == TAKE, classes, out)
    if kind == NUMBER:
        return _take_number(text, at, key, step == TAKE, out)
    if kind == LITERAL:
        return after_literal(text, at)
    at = _take_points(text, at, out, xy)
    if place != IN_BITMAP or at == WRONG:
        return at
    is_one = out[N_POINTS] == out[out[N_VERTEX] + out[N_RINGS]] + 1
    return at if is_one and _end_ring(place, out) else WRONG


@kernel
def _end_ring(place: int, out: Array) -> bool:
    """Append the points since the last ring as one, if there are any; whether it may be here."""
    rings = out[N_RINGS]
    vertex = out[N_VERTEX] + rings
    if out[N_POINTS] > out[vertex]:
        # The exterior comes first, and a bitmap has none.
        if (place == IN_HOLE) != (out[N_EXTERIORS] > 0) or out[N_ORIGINS]:
            return False
        out[N_EXTERIORS] += place == IN_EXTERIOR
        out[N_ORIGINS] += place == IN_BITMAP
        out[N_RINGS] = rings + 1
        out[vertex + 1] = out[N_POINTS]
    return True


@kernel
def _begin_object(out: Array) -> None:
    out[N_CLASS] = out[N_GEOMETRY] = UNKNOWN
    out[N_FIRST_RING] = out[N_RINGS]
    out[N_FIRST_POINT] = out[N_POINTS]
    out[N_EXTERIORS] = out[N_ORIGINS] = 0


@kernel
def _end(place: int, found: int, out: Array) -> bool:
    """Take what a list or an object has been; whether it may be so. `found` are its keys."""
    if place in (IN_EXTERIOR, IN_HOLE):
        return _end_ring(place, out)
    if place == IN_BITMAP:
        return found >> ORIGIN & 3 == 3
    if place == IN_SIZE:
        return found >> HEIGHT & 3 == 3 and out[N_HEIGHT] * out[N_WIDTH] <= out[N_MOST]
    return _end_object(out) if place == IN_OBJECT else True


@kernel
def _end_object(out: Array) -> bool:
    """Count an object, and make a shape of it if it is painted."""
    geometry, rings, class_id = out[N_GEOMETRY], out[N_FIRST_RING], out[N_CLASS]
    if class_id == UNKNOWN or not 0 <= geometry < KINDS.size:
        return False
    of_geometry = N_GEOMETRIES + 2 * geometry
    if out[of_geometry] == 0:
        out[of_geometry + 1] = out[N_OBJECTS]
    out[of_geometry] += 1
    out[N_OBJECTS] += 1
    if class_id == NOT_PAINTED:
        out[N_RINGS] = rings
        out[N_POINTS] = out[N_FIRST_POINT]
        return True
    kind = KINDS[geometry]
    if out[N_RINGS] == rings or (out[N_ORIGINS] > 0) != (kind == BITMAP):
        return False
    if kind != POLYGON:  # holes and further points do not count
        vertex = out[N_VERTEX] + rings + 1
        points = 1 if kind == POINT else out[vertex] - out[N_FIRST_POINT]
        if kind == RECTANGLE and points != 2:
            return False
        out[N_RINGS] = rings + 1
        out[vertex] = out[N_POINTS] = out[N_FIRST_POINT] + points
    shape = SHAPES + FIELDS * out[N_SHAPES]
    out[N_SHAPES] += 1
    out[shape + RING] = out[N_RINGS]
    out[shape + KIND] = kind
    out[shape + CLASS] = class_id
    out[shape + OBJECT] = out[N_OBJECTS] - 1
    out[shape + PAYLOAD] = out[N_BITMAPS] if kind == BITMAP else -1
    out[shape + THRESHOLD] = THRESHOLDS[geometry]
    out[N_BITMAPS] += kind == BITMAP
    return True


@brief_kernel
def read_usual(text: Array, classes: Array, most: int, out: Array, xy: Array) -> bool:
    """Read an annotation.

    Parameters
    ----------
    text
        (n,) uint8: UTF-8.
    classes
        A `name_table`: number of every class, or `NOT_PAINTED`.
    most
        Most pixels of the canvas; with more the text is refused as soon as its size is read.
    out
        (size,) int64, the result, as `grammar` says.
    xy
        (points, 2) int32, the vertices.

    Returns
    -------
    bool
        False if it is not as usual; what is in `out` is void then.
    """
    out[:SHAPES] = 0
    out[N_MOST] = most
    out[N_VERTEX] = sizes_of(text.size)[0]
    out[out[N_VERTEX]] = 0
    place = SKIPPED
    places = 0  # those around it, each in some bits, the innermost lowest
    skipped = 0  # places that are skipped within one that is skipped
    depth = dicts = 0  # how many places there are, and a bit for each: 1 for an object
    found = 0  # a bit for every key that was read
    at = after_white(text, 0)
    while True:
        key = OTHER
        if dicts & 1:
            key, at = _read_key(text, at)
            if at == WRONG:
                return False
            if STEPS[place, key, NUMBER] != PASS:  # so it means something here
                if found >> key & 1:
                    return False
                found |= 1 << key
        char = char_at(text, at)
        kind = _kind(char)
        step = STEPS[place, key, kind] if depth else (IN_FILE if kind == IN_DICT else REFUSE)
        if step == REFUSE or depth == _DEEPEST:
            return False
        if kind in (IN_DICT, IN_LIST) and step != TAKE:
            if place == SKIPPED and depth:
                skipped += 1
            else:
                places = places << _BITS | place
                place = step
                if place == IN_OBJECT:
                    _begin_object(out)
                    found &= _OF_FILE
            depth += 1
            dicts = dicts << 1 | (kind == IN_DICT)
            at = after_white(text, at + 1)
            if char_at(text, at) != char + 2:  # brackets are two characters apart
                continue
        else:
            at = _take(text, at, place, key, kind, step, classes, out, xy)
            if at == WRONG:
                return False
            at = after_white(text, at)
        while depth and char_at(text, at) == (_CLOSE_DICT if dicts & 1 else _CLOSE_LIST):
            if not _end(place, found, out):
                return False
            depth -= 1
            dicts >>= 1
            if skipped:
                skipped -= 1
            else:
                place = places & _PLACE
                places >>= _BITS
            at = after_white(text, at + 1)
        if depth == 0:
            # A size is here, so this is no answer of the API around an annotation.
            return at == text.size and bool(found >> SIZE & 1)
        if char_at(text, at) != _COMMA:
            return False
        at = after_white(text, at + 1)
