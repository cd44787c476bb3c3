"""Names → numbers, looked up by their characters in a text: a hash table in one flat array."""

from collections.abc import Mapping

import numpy as np

from ..jit import Array, kernel
from .words import eight

UNKNOWN = -1
_FACTOR = 0x2545F4914F6CDD1D
_SHIFT = 40  # the bits above it are mixed best
_HEAD = 1  # the table begins with the number of its slots, a power of two
_ENTRY = 3  # of a slot: number, how many characters the name has, and where they are in the table


def name_table(names: Mapping[str, int]) -> Array:
    """Make a table of names and their numbers, any but `UNKNOWN`.

    Returns
    -------
    (n,) int64, not writable: the slots, then the characters (UTF-8) of all names, eight in each.
    """
    slots = 4
    while slots < 2 * len(names):
        slots *= 2
    table = [slots, *(UNKNOWN, 0, 0) * slots]
    for name, number in names.items():
        letters = name.encode("utf-8", "surrogatepass")
        words = [
            int.from_bytes(letters[i : i + 8], "little", signed=i + 8 <= len(letters))
            for i in range(0, len(letters), 8)
        ]
        code = 0
        for word in words:
            code = (code ^ word) * _FACTOR % (1 << 64)  # as whole numbers of kernels wrap
        slot = (code >> _SHIFT) & (slots - 1)
        while table[_HEAD + _ENTRY * slot] != UNKNOWN:
            slot = (slot + 1) & (slots - 1)
        at = _HEAD + _ENTRY * slot
        table[at : at + _ENTRY] = number, len(letters), len(table)
        table += words
    return np.frombuffer(np.array(table, np.int64).tobytes(), np.int64)


@kernel
def _word(text: Array, first: int, last: int) -> int:
    """The next eight characters of those from first to last (excluded), or all."""
    count = last - first
    if first + 8 <= text.size:
        word = eight(text, first)
        return word if count >= 8 else word & ((1 << 8 * count) - 1)
    word = 0
    for i in range(count):
        word |= int(text[first + i]) << (8 * i)
    return word


@kernel
def find(text: Array, first: int, last: int, table: Array) -> int:
    """The number of the name in characters first..last (excluded) of a text, or `UNKNOWN`."""
    code = 0
    for i in range(first, last, 8):
        code = (code ^ _word(text, i, last)) * _FACTOR
    slots = table[0]
    slot = (code >> _SHIFT) & (slots - 1)
    while True:
        at = _HEAD + _ENTRY * slot
        if table[np.uint64(at)] == UNKNOWN:
            return UNKNOWN
        if table[np.uint64(at + 1)] == last - first:
            different = 0
            letters = table[np.uint64(at + 2)]
            for i in range(first, last, 8):
                different |= _word(text, i, last) ^ table[np.uint64(letters)]
                letters += 1
            if different == 0:
                return int(table[np.uint64(at)])
        slot = (slot + 1) & (slots - 1)
