"""Buffers of one worker, which grow to the largest item seen and are used again."""

import threading
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LARGEST_KEPT = 1 << 24
_own = threading.local()


class Scratch:
    """Named arrays whose memory is reused from item to item. Not to be shared by threads."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}
        # What was taken last by each name: mostly it is wanted again.
        self._taken: dict[str, NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
        """Return an array with undefined contents; the previous one of that name is void."""
        taken = self._taken.get(name)
        if taken is not None and taken.shape == shape and taken.dtype == dtype:
            return taken
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
        taken = self._taken[name] = np.ndarray(shape, dtype, buffer)
        return taken

    def forget_large(self) -> None:
        """Give back the memory of buffers that are too large to be kept for good."""
        large = [name for name, buffer in self._buffers.items() if buffer.size > _LARGEST_KEPT]
        for name in large:
            del self._buffers[name]
            self._taken.pop(name, None)  # missing if `take` was interrupted


def own_scratch() -> Scratch:
    """The scratch memory of the calling thread, for calls that return nothing of it.

    Memory that is new in every call costs more than what a small mask needs it for.
    """
    found: Scratch | None = getattr(_own, "scratch", None)
    if found is None:
        found = _own.scratch = Scratch()
    return found
