"""From the scanlines of many small PNGs to packed masks, in one pass."""

import numpy as np

from .jit import Array, kernel

# How a pixel says that it belongs to the mask.
LOOKUP = 0  # its gray level or palette index, looked up
ALPHA = 1  # its last channel reaches the threshold
ANY = 2  # any of its channels does


@kernel
def _unfilter(kind: int, line: Array, above: Array, out: Array, step: int) -> None:
    """Undo a PNG row filter; `step` is the distance in bytes of the pixel to the left."""
    for i in range(line.size):
        a = int(out[i - step]) if i >= step else 0
        b = int(above[i])
        guess = 0
        if kind == 1:
            guess = a
        elif kind == 2:
            guess = b
        elif kind == 3:
            guess = (a + b) >> 1
        elif kind == 4:
            c = int(above[i - step]) if i >= step else 0
            pa = abs(b - c)
            pb = abs(a - c)
            pc = abs(a + b - 2 * c)
            if pa <= pb and pa <= pc:
                guess = a
            elif pb <= pc:
                guess = b
            else:
                guess = c
        out[i] = (int(line[i]) + guess) & 0xFF


@kernel
def _pack_row(line: Array, layout: Array, visible: Array, out: Array) -> None:
    """Set a bit of `out` for every pixel of an unfiltered row that belongs to the mask."""
    _, width, depth, channels, mode, threshold = layout
    out[:] = 0
    for x in range(width):
        if mode == LOOKUP:
            bit = x * depth
            sample = (line[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)
            inside = visible[sample]
        elif mode == ALPHA:
            inside = line[x * channels + channels - 1] >= threshold
        else:
            inside = False
            for channel in range(channels):
                inside = inside or line[x * channels + channel] >= threshold
        if inside:
            out[x >> 3] |= np.uint8(128 >> (x & 7))


@kernel
def unpack(
    raw: Array,
    raw_start: Array,
    layout: Array,
    visible: Array,
    bits: Array,
    bits_start: Array,
    scratch: Array,
) -> int:
    """Unfilter every picture of `raw` and pack its mask into `bits`.

    Parameters
    ----------
    raw, raw_start
        Inflated scanlines of all pictures, a filter byte before each row; (b + 1,) offsets.
    layout
        (b, 6) int64: height, width, bits per sample, channels, mode, threshold.
    visible
        (b, 256) bool: for LOOKUP, the samples that belong to the mask.
    bits, bits_start
        The result, as in `shapes.Masks`.
    scratch
        (2, longest row in bytes) uint8.

    Returns
    -------
    int
        -1, or the number of the first picture with an unknown filter byte.
    """
    for i in range(layout.shape[0]):
        height, width, depth, channels, _, _ = layout[i]
        stride = (width * depth * channels + 7) >> 3
        packed = (width + 7) >> 3
        step = max(1, depth * channels >> 3)
        above = scratch[0, :stride]
        line = scratch[1, :stride]
        above[:] = 0
        source = raw_start[i]
        target = bits_start[i]
        for _ in range(height):
            kind = raw[source]
            if kind > 4:
                return i
            _unfilter(kind, raw[source + 1 : source + 1 + stride], above, line, step)
            _pack_row(line, layout[i], visible[i], bits[target : target + packed])
            above, line = line, above
            source += stride + 1
            target += packed
    return -1
