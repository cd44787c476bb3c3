"""Points from JSON text, floored: `[[12,34.5],[-1,0]]` → whole pixels.

Writing Python's numbers as text and reading the text takes a tenth of the time of reading the
objects one by one. The text is a float's shortest decimal. Its whole part is that of the float
itself: a decimal that reached the next whole number would belong to another float.
"""

from ...shapes import COORDINATE_LIMIT
from ..jit import Array, brief_kernel, kernel

_MINUS, _POINT, _ZERO, _NINE = 45, 46, 48, 57
_OPEN, _CLOSE, _COMMA = 91, 93, 44
_WRONG = -1


@kernel
def _at(text: Array, at: int) -> int:
    """The character at an index; 0 beyond the end."""
    return int(text[at]) if at < text.size else 0


@kernel
def _read_floor(text: Array, at: int) -> tuple[int, int]:
    """A number without exponent, floored, and where it ends; `_WRONG` if there is none."""
    is_negative = _at(text, at) == _MINUS
    if is_negative:
        at += 1
    first = at
    value = 0
    while _ZERO <= _at(text, at) <= _NINE and value <= COORDINATE_LIMIT:
        value = 10 * value + _at(text, at) - _ZERO
        at += 1
    if at == first:
        return 0, _WRONG
    has_fraction = False
    if _at(text, at) == _POINT:
        at += 1
        while _ZERO <= _at(text, at) <= _NINE:
            has_fraction = has_fraction or _at(text, at) != _ZERO
            at += 1
    if is_negative:
        value = -value - (1 if has_fraction else 0)
    if abs(value) > COORDINATE_LIMIT:
        return 0, _WRONG
    return value, at


@brief_kernel
def read_points(text: Array, out: Array) -> bool:
    """Read a list of pairs, written without spaces; return whether it is one.

    Parameters
    ----------
    text
        (characters,) uint8.
    out
        (n, 2) int32, the result; there must be as many pairs, none of them beyond
        `COORDINATE_LIMIT`.
    """
    at = 0
    for i in range(out.shape[0]):
        # "[[" or ",[", a number, a comma, a number, "]"
        if _at(text, at) != (_COMMA if i else _OPEN) or _at(text, at + 1) != _OPEN:
            return False
        x, at = _read_floor(text, at + 2)
        if at == _WRONG or _at(text, at) != _COMMA:
            return False
        y, at = _read_floor(text, at + 1)
        if at == _WRONG or _at(text, at) != _CLOSE:
            return False
        out[i, 0] = x
        out[i, 1] = y
        at += 1
    return at + 1 == text.size and _at(text, at) == _CLOSE
