"""Memory of one worker that is used again from item to item, and grows to the largest one seen.

A function that needs such memory names it by a `Buffer`, a constant of its module:

    _TOKENS = Buffer("tokens of a mask")
    tokens = scratch.take(_TOKENS, (room,), np.int64)
"""

import threading
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LARGEST_KEPT = 1 << 24
_own = threading.local()


class Buffer:
    """A purpose that memory is taken for; each `Scratch` has its own memory for it.

    Two buffers are never the same, whatever they are called: the name is for people.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Buffer({self.name!r})"


class Scratch:
    """Arrays by purpose, whose memory is reused from item to item. Not to be shared by threads."""

    def __init__(self) -> None:
        self._memory: dict[Buffer, NDArray[np.uint8]] = {}
        # What was taken last for each purpose: mostly it is wanted again.
        self._taken: dict[Buffer, NDArray[Any]] = {}

    def take(
        self, buffer: Buffer, shape: tuple[int, ...], dtype: DTypeLike = np.uint8
    ) -> NDArray[Any]:
        """Return an array with undefined contents; the previous one of that buffer is void."""
        taken = self._taken.get(buffer)
        if taken is not None and taken.shape == shape and taken.dtype == dtype:
            return taken
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        memory = self._memory.get(buffer)
        if memory is None or memory.size < size:
            memory = self._memory[buffer] = np.empty(size, np.uint8)
        taken = self._taken[buffer] = np.ndarray(shape, dtype, memory)
        return taken

    def forget_large(self) -> None:
        """Give back the memory that is too large to be kept for good."""
        large = [buffer for buffer, memory in self._memory.items() if memory.size > _LARGEST_KEPT]
        for buffer in large:
            del self._memory[buffer]
            self._taken.pop(buffer, None)  # missing if `take` was interrupted


def own_scratch() -> Scratch:
    """The scratch memory of the calling thread, for calls that return nothing of it.

    Memory that is new in every call costs more than what a small mask needs it for.
    """
    found: Scratch | None = getattr(_own, "scratch", None)
    if found is None:
        found = _own.scratch = Scratch()
    return found
