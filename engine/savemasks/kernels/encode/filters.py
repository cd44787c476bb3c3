"""PNG row filters."""

import numpy as np

from ..jit import Array, kernel


@kernel
def filter_up(pixels: Array, out: Array) -> None:
    """Write every row as a filter byte and its difference to the row above.

    `pixels` is (rows, bytes per row), `out` (rows, 1 + bytes per row). Up suits flat masks, whose
    rows become zeros, and photographs, and needs no pixel but its own and the one above.
    """
    rows, stride = pixels.shape
    for y in range(rows):
        out[y, 0] = 2
        if y == 0:
            for x in range(stride):
                out[y, np.uint64(x + 1)] = pixels[y, np.uint64(x)]
        else:
            for x in range(stride):
                out[y, np.uint64(x + 1)] = pixels[y, np.uint64(x)] - pixels[y - 1, np.uint64(x)]
