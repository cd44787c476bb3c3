"""Eight bytes of a row as one number, so that the processor looks at them at once."""

import numpy as np

from .jit import Array, kernel

_ONE = np.uint64(1)
_SEVEN = np.uint64(7)
_TOP_BYTE = np.uint64(56)
_LOW_BITS = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_OTHER_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Moves the low bit of byte i to bit 63 - i.
_GATHER = np.uint64(0x8040201008040201)


@kernel
def load(row: Array, at: int) -> np.uint64:
    """The 8 bytes of the pixels from `at` on, the first pixel lowest."""
    bits = 8 * row.itemsize
    word = np.uint64(0)
    for i in range(8 // row.itemsize):
        pixel = np.uint64(row[np.uint64(at + i)]) & np.uint64((1 << bits) - 1)
        word |= pixel << np.uint64(bits * i)
    return word


@kernel
def first_byte(word: np.uint64) -> int:
    """Which byte is the lowest that is not 0; `word` is not 0."""
    lowest = word & (~word + _ONE)
    below = ((lowest - _ONE) & _HIGH_BITS) >> _SEVEN  # a bit for every whole byte
    return int((below * _LOW_BITS) >> _TOP_BYTE)


@kernel
def reaching(word: np.uint64, threshold: np.uint64) -> int:
    """A bit for every byte that is at least `threshold`, 1 to 255; the lowest byte's is highest."""
    least = threshold * _LOW_BITS
    # Each byte less the low bits of the threshold. None borrows from the next, for its bit 7 is set.
    rest = (word | _HIGH_BITS) - (least & _OTHER_BITS)
    is_less_at_top = ~(word ^ least)  # where the highest bits are equal, `rest` decides
    found = (word & ~least | is_less_at_top & rest) & _HIGH_BITS
    return int(((found >> _SEVEN) * _GATHER) >> _TOP_BYTE)
