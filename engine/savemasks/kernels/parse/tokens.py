"""JSON's tokens in a text (RFC 8259), checked: what is passed here, any parser takes.

A function gets the index where something begins and returns the index behind it, or `WRONG`. That
stands for what is no JSON, and as well for what is rare and left to a real parser: numbers of many
digits, escaped halves of surrogate pairs. An exponent is left standing behind its number.

Texts must be UTF-8, which is not checked here.
"""

import numpy as np

from ..jit import Array, kernel
from .words import HIGHS, ONES, eight, first_byte

WRONG = -1
WHOLE, FRACTION, NEAR = range(3)

_QUOTE, _BACKSLASH, _MINUS, _POINT, _ZERO, _NINE, _SPACE, _U = 34, 92, 45, 46, 48, 57, 32, 117
_WHITE = 1 << 9 | 1 << 10 | 1 << 13 | 1 << 32
_MOST_DIGITS = 18
# The same character eight times.
_SPACES, _QUOTES, _BACKSLASHES, _ZEROS = (
    char * ONES for char in (_SPACE, _QUOTE, _BACKSLASH, _ZERO)
)
_SIX_MORE = (128 - 10) * ONES

_AFTER_BACKSLASH = np.zeros(256, np.bool_)
_AFTER_BACKSLASH[list(b'"\\/bfnrt')] = True
_HEX = np.zeros(256, np.bool_)
_HEX[list(b"0123456789abcdefABCDEF")] = True
_LITERALS = np.frombuffer(b"true\0false\0null\0", np.uint8)


@kernel
def char_at(text: Array, at: int) -> int:
    """The character at an index; 0 beyond the end."""
    return int(text[np.uint64(at)]) if at < text.size else 0


@kernel
def after_white(text: Array, at: int) -> int:
    """Index of the next character that is no white space."""
    while at < text.size:
        char = int(text[np.uint64(at)])
        if char > _SPACE or not (_WHITE >> char) & 1:
            return at
        at += 1
        while at + 8 <= text.size:
            word = eight(text, at) ^ _SPACES
            others = (((word & ~HIGHS) - HIGHS - ONES) | word) & HIGHS
            at += first_byte(others) if others else 8
            if others:
                break
    return at


@kernel
def _after_escape(text: Array, at: int) -> int:
    """Index behind an escaped character; `at` is that of its backslash."""
    if at + 6 > text.size:  # behind it are at least two quotes or brackets, if this is JSON
        return WRONG
    if _AFTER_BACKSLASH[text[at + 1]]:
        return at + 2
    is_hex = text[at + 1] == _U
    for i in range(2, 6):
        is_hex = is_hex and _HEX[text[at + i]]
    is_surrogate = text[at + 2] | 32 == 100 and text[at + 3] >= 56
    return at + 6 if is_hex and not is_surrogate else WRONG


@kernel
def _special(word: int) -> int:
    """80 for the first quote, backslash or control character among eight; 0 if there is none.

    What is above that byte may be 80 as well.
    """
    quotes = ((word ^ _QUOTES) - ONES) & ~(word ^ _QUOTES)
    slashes = ((word ^ _BACKSLASHES) - ONES) & ~(word ^ _BACKSLASHES)
    controls = (word - _SPACES) & ~word
    return (quotes | slashes | controls) & HIGHS


@kernel
def end_of_text(text: Array, at: int) -> tuple[int, bool]:
    """Index of the quote that ends a text, and whether nothing in it is escaped.

    `at` is that of the quote that begins it.
    """
    is_plain = True
    at += 1
    while at < text.size:
        if at + 8 <= text.size:
            special = _special(eight(text, at))
            if not special:
                at += 8
                continue
            at += first_byte(special)
        char = text[np.uint64(at)]
        if char == _QUOTE:
            return at, is_plain
        if char < _SPACE:
            break
        if char == _BACKSLASH:
            is_plain = False
            at = _after_escape(text, at)
            if at == WRONG:
                break
        else:
            at += 1
    return WRONG, False


@kernel
def _after_digits(text: Array, at: int) -> int:
    while at + 8 <= text.size:
        word = eight(text, at) ^ _ZEROS
        others = (((word & ~HIGHS) + _SIX_MORE) | word) & HIGHS  # of more than 9
        if others:
            return at + first_byte(others)
        at += 8
    while _ZERO <= char_at(text, at) <= _NINE:
        at += 1
    return at


@kernel
def read_number(text: Array, at: int) -> tuple[int, int, int]:
    """A number without exponent: floored, where it ends, and what it is.

    It ends at `WRONG` if there is none. Without a point it is `WHOLE`. Else it is a `FRACTION`, but
    `NEAR` if the float nearest to it may be a whole number that it does not reach. That takes many
    nines behind the point, or below zero many zeros: decimals of up to 15 digits are floats of the
    same order.
    """
    is_negative = char_at(text, at) == _MINUS
    if is_negative:
        at += 1
    first = at
    value = 0
    while _ZERO <= char_at(text, at) <= _NINE and at < first + _MOST_DIGITS:
        value = 10 * value + char_at(text, at) - _ZERO
        at += 1
    if at == first or (at > first + 1 and text[first] == _ZERO):
        return 0, WRONG, WHOLE
    if char_at(text, at) != _POINT:
        return (-value if is_negative else value), at, WHOLE
    alike = at - first + 1  # digits up to the first one that differs from the one at the point
    at += 1
    digit = char_at(text, at)
    if not _ZERO <= digit <= _NINE:
        return 0, WRONG, WHOLE
    first = at
    while char_at(text, at) == digit:
        at += 1
    alike += at - first
    end = _after_digits(text, at)
    is_zero = digit == _ZERO and at == end
    is_near = alike > 15 and digit == (_ZERO if is_negative else _NINE) and not is_zero
    if is_negative:
        value = -value - (0 if is_zero else 1)
    return value, end, (NEAR if is_near else FRACTION)


@kernel
def after_literal(text: Array, at: int) -> int:
    """Index behind true, false or null."""
    first = 0
    while first < _LITERALS.size:
        i = 0
        while _LITERALS[first + i] and char_at(text, at + i) == _LITERALS[first + i]:
            i += 1
        if _LITERALS[first + i] == 0:
            return at + i
        while _LITERALS[first] != 0:
            first += 1
        first += 1
    return WRONG
