"""Find the objects in an annotation's text without parsing them.

The result is right only for valid JSON. The caller parses the pieces, which shows whether the JSON
was valid.
"""

import numpy as np

from ..jit import Array, kernel

_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58
_OPEN_LIST, _CLOSE_LIST, _OPEN_DICT, _CLOSE_DICT = 91, 93, 123, 125
_WHITE = (32, 9, 10, 13)
_OBJECTS = np.frombuffer(b'"objects"', np.uint8)
_WRAPPER = np.frombuffer(b'"annotation"', np.uint8)


@kernel
def _after_string(text: Array, at: int) -> int:
    """Index after the string that begins at a quote."""
    at += 1
    while at < text.size and text[np.uint64(at)] != _QUOTE:
        at += 2 if text[np.uint64(at)] == _BACKSLASH else 1
    return at + 1


@kernel
def _is_key(text: Array, first: int, last: int, name: Array) -> bool:
    """Whether a key is this name; both have their quotes."""
    is_same = last - first == name.size
    for i in range(name.size if is_same else 0):
        is_same = is_same and text[first + i] == name[i]
    return is_same


@kernel
def _has_escape(text: Array, first: int, last: int) -> bool:
    found = False
    for at in range(first, min(last, text.size)):
        found = found or text[at] == _BACKSLASH
    return found


@kernel
def _after_opening(text: Array, at: int) -> int:
    """Index where the contents of a list begin, after white space; -1 if there is no list."""
    while at < text.size and text[at] in _WHITE:
        at += 1
    return at + 1 if at < text.size and text[at] == _OPEN_LIST else -1


@kernel
def split_objects(text: Array, level: int, size: int, cuts: Array) -> int:
    """Cut the list under the key "objects" into pieces.

    Parameters
    ----------
    text
        (characters,) uint8: JSON.
    level
        1 if the key is one of the outermost object, 2 if of the object under its key "annotation".
    size
        Characters of a piece: each one, but the last, ends with the first element beyond them.
    cuts
        (characters // size + 3,) int64, the result: where the contents of the list begin, the
        commas between the pieces, and the bracket that closes the list.

    Returns
    -------
    int
        How many `cuts` there are; 0 if there is no such list, or a doubt about its key.
    """
    depth = count = key = key_end = at = 0
    is_inside = False
    is_ours = level == 1  # whether the object of this level is the one that has the list
    while at < text.size:
        char = text[np.uint64(at)]
        if char == _QUOTE:
            after = _after_string(text, at)
            if depth <= level:
                key, key_end = at, after
            at = after
            continue
        if char in (_OPEN_LIST, _OPEN_DICT):
            depth += 1
        elif char in (_CLOSE_LIST, _CLOSE_DICT):
            depth -= 1
            if is_inside and depth == level:
                is_inside = False
                cuts[count] = at
                count += 1
        elif char == _COMMA:
            if is_inside and depth == level + 1 and at - cuts[count - 1] >= size:
                cuts[count] = at
                count += 1
        elif char == _COLON and (depth == 1 or (depth == level and is_ours)):
            if _has_escape(text, key, key_end):
                return 0
            if depth < level:
                is_ours = _is_key(text, key, key_end, _WRAPPER)
                count = 0 if is_ours else count  # the last one counts, as for orjson
            elif _is_key(text, key, key_end, _OBJECTS):  # here as well
                at = _after_opening(text, at + 1)
                if at < 0:
                    return 0
                is_inside = True
                depth = level + 1
                cuts[0] = at
                count = 1
                continue
            key = key_end = at  # read once, or time would grow with the square of the colons
        at += 1
    return 0 if is_inside else count
