"""Arrays that kernels make for themselves, here alone: each way of making one is 0.1 s to compile.

What gets one is an `allocating_kernel`.
"""

import numpy as np

from .jit import Array, allocating_kernel


@allocating_kernel
def words(size: int) -> Array:
    """Return (size,) int64 with anything in it."""
    return np.empty(size, np.int64)


@allocating_kernel
def filled_words(size: int, value: int) -> Array:
    """Return (size,) int64 with one value."""
    made = words(size)
    for i in range(size):
        made[i] = value
    return made


@allocating_kernel
def octets(size: int) -> Array:
    """Return (size,) uint8 with anything in it."""
    return np.empty(size, np.uint8)


@allocating_kernel
def zero_octets(size: int) -> Array:
    """Return (size,) uint8 of zeros."""
    made = octets(size)
    for i in range(size):
        made[i] = 0
    return made
