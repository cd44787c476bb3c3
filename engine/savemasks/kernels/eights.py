"""Eight bytes of a row as one number, so that the processor looks at them at once."""

import numpy as np

from .jit import Array, kernel

_ONE = np.uint64(1)
_OVER_8, _OVER_16 = np.uint64(1 << 8), np.uint64(1 << 16)
_SEVEN = np.uint64(7)
_TOP_BYTE = np.uint64(56)
_LOW_BITS = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_OTHER_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Moves the low bit of byte i to bit 63 - i.
_GATHER = np.uint64(0x8040201008040201)


@kernel
def _bytes_of(row: Array) -> int:
    """Bytes of a pixel: 1, 2 or 4. The compiler knows it; `row.itemsize` it does not know."""
    if row.dtype.type(_OVER_8) == 0:
        return 1
    return 2 if row.dtype.type(_OVER_16) == 0 else 4


@kernel
def load(row: Array, at: int) -> np.uint64:
    """The 8 bytes of the pixels from `at` on, the first pixel lowest.

    Only if it is written out, the compiler sees that it is one number in memory.
    """
    if _bytes_of(row) == 1:
        return gather(row, at, 1)
    if _bytes_of(row) == 2:
        low = _one(row, at, 0xFFFF) | _one(row, at + 1, 0xFFFF) << np.uint64(16)
        high = _one(row, at + 2, 0xFFFF) | _one(row, at + 3, 0xFFFF) << np.uint64(16)
        return low | high << np.uint64(32)
    return _one(row, at, 0xFFFFFFFF) | _one(row, at + 1, 0xFFFFFFFF) << np.uint64(32)


@kernel
def _one(row: Array, at: int, mask: int) -> np.uint64:
    return np.uint64(row[np.uint64(at)]) & np.uint64(mask)


@kernel
def gather(row: Array, at: int, step: int) -> np.uint64:
    """8 bytes of a row of bytes that lie `step` apart, the first one lowest."""
    return (
        np.uint64(row[np.uint64(at)])
        | np.uint64(row[np.uint64(at + step)]) << np.uint64(8)
        | np.uint64(row[np.uint64(at + 2 * step)]) << np.uint64(16)
        | np.uint64(row[np.uint64(at + 3 * step)]) << np.uint64(24)
        | np.uint64(row[np.uint64(at + 4 * step)]) << np.uint64(32)
        | np.uint64(row[np.uint64(at + 5 * step)]) << np.uint64(40)
        | np.uint64(row[np.uint64(at + 6 * step)]) << np.uint64(48)
        | np.uint64(row[np.uint64(at + 7 * step)]) << np.uint64(56)
    )


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
    # Each byte less the low bits of the threshold. With its bit 7 set, none borrows from the next.
    rest = (word | _HIGH_BITS) - (least & _OTHER_BITS)
    is_less_at_top = ~(word ^ least)  # where the highest bits are equal, `rest` decides
    found = (word & ~least | is_less_at_top & rest) & _HIGH_BITS
    return int(((found >> _SEVEN) * _GATHER) >> _TOP_BYTE)


@kernel
def same_run(row: Array, above: Array, first: int) -> int:
    """Count the pixels from `first` on that equal those above."""
    pixels = 8 // _bytes_of(row)
    x = first
    while x + 8 * pixels <= row.size:
        # Kept to the labels' type at every step, so that a vector holds as many as possible.
        different = row.dtype.type(0)
        for i in range(8 * pixels):
            change = row[np.uint64(x + i)] ^ above[np.uint64(x + i)]
            different = row.dtype.type(different | change)
        if different:
            return x - first + _first_difference(row, above, x)
        x += 8 * pixels
    while x < row.size and row[np.uint64(x)] == above[np.uint64(x)]:
        x += 1
    return x - first


@kernel
def _first_difference(row: Array, above: Array, at: int) -> int:
    """How many pixels from `at` on are equal; one of the next 64 bytes differs."""
    x = at
    different = load(row, x) ^ load(above, x)
    while different == 0:
        x += 8 // _bytes_of(row)
        different = load(row, x) ^ load(above, x)
    return x - at + first_byte(different) // _bytes_of(row)
