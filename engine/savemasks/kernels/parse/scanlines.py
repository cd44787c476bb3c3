"""Inflated scanlines of a PNG → packed mask."""

from typing import NamedTuple

import numpy as np

from ..jit import Array, kernel

# A pixel belongs to the mask if ...
LOOKUP = 0  # its gray level or palette index is visible by a look-up table
ALPHA = 1  # its last channel reaches the threshold
ANY = 2  # any of its channels reaches the threshold


class Layout(NamedTuple):
    """Contents of the scanlines: height, width, bits per sample, channels, and what is mask.

    `mode` is LOOKUP, ALPHA or ANY; `threshold` is for the latter two.
    """

    height: int
    width: int
    depth: int
    channels: int
    mode: int
    threshold: int


@kernel
def row_bytes(layout: Layout) -> int:
    """Size of a row of pixels, without its filter byte."""
    return (layout.width * layout.depth * layout.channels + 7) >> 3


@kernel
def _unfilter(kind: int, line: Array, above: Array, step: int) -> None:
    """Undo a PNG row filter in place; `step` is the distance in bytes of the pixel to the left."""
    n = line.size
    if kind == 1:
        for i in range(step, n):
            line[np.uint64(i)] += line[np.uint64(i - step)]
    elif kind == 2:
        for i in range(n):
            line[np.uint64(i)] += above[np.uint64(i)]
    elif kind == 3:
        for i in range(n):
            left = int(line[i - step]) if i >= step else 0
            line[i] += (left + int(above[i])) >> 1
    elif kind == 4:
        for i in range(n):
            a = int(line[i - step]) if i >= step else 0
            b = int(above[i])
            c = int(above[i - step]) if i >= step else 0
            to_a = abs(b - c)
            to_b = abs(a - c)
            to_c = abs(a + b - 2 * c)
            guess = a if to_a <= to_b and to_a <= to_c else (b if to_b <= to_c else c)
            line[i] += guess


@kernel
def _unfilter_first(kind: int, line: Array, step: int) -> None:
    """As `_unfilter`, for the first row: above it are zeros."""
    if kind in (1, 4):
        for i in range(step, line.size):
            line[i] += line[i - step]
    elif kind == 3:
        for i in range(step, line.size):
            line[i] += line[i - step] >> 1


@kernel
def _pack_bytes(line: Array, width: int, visible: Array, out: Array) -> None:
    """Pack a row of 8-bit samples: eight look-ups for a byte."""
    whole = width >> 3
    for k in range(whole):
        bits = 0
        for j in range(8):
            bits = (bits << 1) | int(visible[line[np.uint64(8 * k + j)]])
        out[k] = bits
    if width & 7:
        bits = 0
        for x in range(8 * whole, width):
            bits |= int(visible[line[x]]) << (7 - (x & 7))
        out[whole] = bits


@kernel
def _pack_bits(
    raw: Array, first: int, width: int, visible: Array, bits: Array, target: int
) -> None:
    """Pack a row of 1-bit samples, which is packed already but for what the bits mean.

    Takes whole arrays and the row's first index, because a slice costs as much as a short row.
    """
    flip = 0xFF if visible[0] else 0
    keep = 0xFF if visible[0] != visible[1] else 0
    fill = 0xFF if visible[0] and visible[1] else 0
    count = (width + 7) >> 3
    for k in range(count):
        bits[np.uint64(target + k)] = ((int(raw[np.uint64(first + k)]) ^ flip) & keep) | fill
    bits[target + count - 1] &= 0xFF00 >> (((width - 1) & 7) + 1) & 0xFF


@kernel
def _pack_row(line: Array, layout: Layout, visible: Array, out: Array) -> None:
    """Set a bit of `out` for every pixel of an unfiltered row that belongs to the mask."""
    width, depth, channels = layout.width, layout.depth, layout.channels
    mode, threshold = layout.mode, layout.threshold
    if mode == LOOKUP and depth == 8:
        _pack_bytes(line, width, visible, out)
        return
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
def unpack(raw: Array, layout: Layout, visible: Array, bits: Array, target: int) -> bool:
    """Unfilter a picture and pack its mask.

    Parameters
    ----------
    raw
        (bytes,) uint8: inflated scanlines, a filter byte before each row; overwritten.
    layout
        What is in them.
    visible
        (256,) bool: for LOOKUP, the samples that belong to the mask.
    bits, target
        (bytes,) uint8, the result: from byte `target` on, as in `shapes.Masks`.

    Returns
    -------
    bool
        False if there is an unknown filter byte.
    """
    stride = row_bytes(layout)
    packed = (layout.width + 7) >> 3
    step = max(1, layout.depth * layout.channels >> 3)
    first = 1
    for y in range(layout.height):
        kind = raw[first - 1]
        if kind > 4:
            return False
        if kind and y:
            above = raw[first - 1 - stride : first - 1]
            _unfilter(kind, raw[first : first + stride], above, step)
        elif kind:
            _unfilter_first(kind, raw[first : first + stride], step)
        if layout.depth == 1:
            _pack_bits(raw, first, layout.width, visible, bits, target)
        else:
            line = raw[first : first + stride]
            _pack_row(line, layout, visible, bits[target : target + packed])
        first += stride + 1
        target += packed
    return True
