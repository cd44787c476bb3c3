"""Points from JSON text, floored: `[[12,34.5],[-1,0]]` → whole pixels.

Writing Python's numbers as text and reading the text takes a tenth of the time of reading the
objects one by one. The text is a float's shortest decimal. Its whole part is that of the float
itself: a decimal that reached the next whole number would belong to another float.
"""

from ...shapes import COORDINATE_LIMIT
from ..jit import Array, brief_kernel
from .tokens import WRONG, char_at, read_number

_OPEN, _CLOSE, _COMMA = 91, 93, 44


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
        if char_at(text, at) != (_COMMA if i else _OPEN) or char_at(text, at + 1) != _OPEN:
            return False
        x, at, _ = read_number(text, at + 2)
        if at == WRONG or char_at(text, at) != _COMMA:
            return False
        y, at, _ = read_number(text, at + 1)
        if at == WRONG or char_at(text, at) != _CLOSE:
            return False
        if abs(x) > COORDINATE_LIMIT or abs(y) > COORDINATE_LIMIT:
            return False
        out[i, 0] = x
        out[i, 1] = y
        at += 1
    return at + 1 == text.size and char_at(text, at) == _CLOSE
