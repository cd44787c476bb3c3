"""Eight characters of a text at once, as the bytes of one number, the first one lowest."""

import numpy as np

from ..jit import Array, kernel

ONES, HIGHS = 0x0101010101010101, -0x7F7F7F7F7F7F7F80
"""Every byte 01, and every byte 80."""


@kernel
def eight(text: Array, at: int) -> int:
    """The eight characters from an index on; there must be as many."""
    value = 0
    for i in range(8):
        value |= int(text[np.uint64(at + i)]) << (8 * i)
    return value


@kernel
def first_byte(flags: int) -> int:
    """The number of the first byte that is 80, where all others are 80 or 00; not all are 00."""
    below = (flags & -flags) - 1  # all bits below that byte's highest
    return (((below & ONES) * ONES >> 56) & 15) - 1
