"""Inflated scanlines of a PNG → packed mask."""

from typing import NamedTuple

import numpy as np

from ..eights import gather, load, reaching
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
def _paeth(a: int, b: int, c: int) -> int:
    """Which of the samples left, above, and left above is nearest to a + b - c."""
    # Most pixels of masks are like those around them. The processor guesses so, and does not wait
    # for the sample to the left.
    if b == c:
        return a
    if a == c:
        return b
    to_a = abs(b - c)
    to_b = abs(a - c)
    to_c = abs(a + b - 2 * c)
    if to_a <= to_b and to_a <= to_c:
        return a
    return b if to_b <= to_c else c


@kernel
def _unfilter(kind: int, raw: Array, first: int, count: int, above: int, step: int) -> None:
    """Undo the filter of the row of `count` bytes from byte `first` on, in place.

    `above` is where the row above begins, below 0 if there is none and zeros take its place. `step`
    is the distance in bytes of the pixel to the left. Takes whole arrays, because a slice costs as
    much as a short row.
    """
    if kind == 2 and above >= 0:
        for i in range(count):
            raw[np.uint64(first + i)] += raw[np.uint64(above + i)]
    elif kind == 1 or (kind == 4 and above < 0):
        for channel in range(step):
            a = 0
            for i in range(first + channel, first + count, step):
                a = (a + int(raw[np.uint64(i)])) & 0xFF
                raw[np.uint64(i)] = a
    elif kind > 2:
        for channel in range(step):
            a = b = 0
            for i in range(channel, count, step):
                c = b
                b = int(raw[np.uint64(above + i)]) if above >= 0 else 0
                guess = _paeth(a, b, c) if kind == 4 else (a + b) >> 1
                a = (guess + int(raw[np.uint64(first + i)])) & 0xFF
                raw[np.uint64(first + i)] = a


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
def _least_visible(visible: Array) -> int:
    """From which sample on all are visible, and no other; 0 if that is not how it is."""
    least = 0
    while least < 256 and not visible[least]:
        least += 1
    for sample in range(least, 256):
        if not visible[sample]:
            return 0
    return least & 255


@kernel
def _pack_levels(
    raw: Array, first: int, step: int, width: int, least: int, bits: Array, target: int
) -> None:
    """Pack a row of samples, `step` bytes apart, that are visible from `least` (1 to 255) on."""
    whole = width >> 3
    threshold = np.uint64(least)
    for k in range(whole):
        at = first + 8 * step * k
        word = load(raw, at) if step == 1 else gather(raw, at, step)
        bits[np.uint64(target + k)] = reaching(word, threshold)
    if width & 7:
        last = 0
        for x in range(8 * whole, width):
            last |= int(raw[np.uint64(first + step * x)] >= least) << (7 - (x & 7))
        bits[np.uint64(target + whole)] = last


@kernel
def _pack_bits(
    raw: Array, first: int, width: int, visible: Array, bits: Array, target: int
) -> None:
    """Pack a row of 1-bit samples, which is packed already but for what the bits mean."""
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
    least = 0
    if layout.mode == LOOKUP and layout.depth == 8:
        least = _least_visible(visible)
    elif layout.mode == ALPHA and 1 <= layout.threshold <= 255:
        least = layout.threshold
    first = 1
    above = -1
    for _ in range(layout.height):
        kind = int(raw[np.uint64(first - 1)])
        if kind > 4:
            return False
        if kind:
            _unfilter(kind, raw, first, stride, above, step)
        if layout.depth == 1:
            _pack_bits(raw, first, layout.width, visible, bits, target)
        elif least:
            _pack_levels(raw, first + step - 1, step, layout.width, least, bits, target)
        else:
            line = raw[first : first + stride]
            _pack_row(line, layout, visible, bits[target : target + packed])
        above = first
        first += stride + 1
        target += packed
    return True
