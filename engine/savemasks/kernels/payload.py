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
    n = line.size
    if kind == 0:
        for i in range(n):
            out[np.uint64(i)] = line[np.uint64(i)]
    elif kind == 1:
        for i in range(n):
            out[i] = line[i] + (out[i - step] if i >= step else 0)
    elif kind == 2:
        for i in range(n):
            out[np.uint64(i)] = line[np.uint64(i)] + above[np.uint64(i)]
    elif kind == 3:
        for i in range(n):
            left = int(out[i - step]) if i >= step else 0
            out[i] = line[i] + ((left + int(above[i])) >> 1)
    else:
        for i in range(n):
            a = int(out[i - step]) if i >= step else 0
            b = int(above[i])
            c = int(above[i - step]) if i >= step else 0
            to_a = abs(b - c)
            to_b = abs(a - c)
            to_c = abs(a + b - 2 * c)
            guess = a if to_a <= to_b and to_a <= to_c else (b if to_b <= to_c else c)
            out[i] = line[i] + guess


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
def _pack_bits(line: Array, width: int, visible: Array, out: Array) -> None:
    """Pack a row of 1-bit samples, which is packed already but for what the bits mean."""
    flip = 0xFF if visible[0] else 0
    keep = 0xFF if visible[0] != visible[1] else 0
    fill = 0xFF if visible[0] and visible[1] else 0
    for k in range(out.size):
        out[k] = ((int(line[k]) ^ flip) & keep) | fill
    if width & 7:
        out[out.size - 1] &= 0xFF00 >> (width & 7) & 0xFF


@kernel
def _pack_row(line: Array, layout: Array, visible: Array, out: Array) -> None:
    """Set a bit of `out` for every pixel of an unfiltered row that belongs to the mask."""
    _, width, depth, channels, mode, threshold = layout
    if mode == LOOKUP and depth == 8:
        _pack_bytes(line, width, visible, out)
        return
    if mode == LOOKUP and depth == 1:
        _pack_bits(line, width, visible, out)
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


def _crc_table() -> Array:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ 0xEDB88320, table >> 1).astype(np.uint32)
    return table


_CRC = _crc_table()
_IHDR = 0x49484452
_PLTE = 0x504C5445
_TRNS = 0x74524E53
_IDAT = 0x49444154
_IEND = 0x49454E44


@kernel
def _read_u32(data: Array, at: int) -> int:
    return (
        (int(data[at]) << 24)
        | (int(data[at + 1]) << 16)
        | (int(data[at + 2]) << 8)
        | int(data[at + 3])
    )


@kernel
def _is_intact(data: Array, first: int, last: int) -> bool:
    """Whether bytes first..last (excluded) have the checksum that follows them."""
    crc = np.uint32(0xFFFFFFFF)
    for i in range(first, last):
        crc = _CRC[(crc ^ data[i]) & 0xFF] ^ (crc >> np.uint32(8))
    return int(crc ^ np.uint32(0xFFFFFFFF)) == _read_u32(data, last)


@kernel
def _find_chunks(data: Array, first: int, last: int, found: Array) -> bool:
    """Note where the palette (0), transparency (1) and pixels (2) of a PNG are: first, last.

    False if anything is damaged, or if the pixels are in more than one chunk.
    """
    found[:] = 0
    at = first + 8
    while at + 12 <= last:
        length = _read_u32(data, at)
        name = _read_u32(data, at + 4)
        end = at + 8 + length
        if end + 4 > last or not _is_intact(data, at + 4, end):
            return False
        if name == _IEND:
            return True
        for i in range(3):
            if name == (_PLTE, _TRNS, _IDAT)[i]:
                if found[i, 1]:
                    return False
                found[i, 0] = at + 8
                found[i, 1] = end
        at = end + 4
    return False


@kernel
def _look(data: Array, colour: int, depth: int, threshold: int, found: Array, out: Array) -> None:
    """Which palette entries or gray levels belong to the mask."""
    palette, palette_end = found[0]
    alpha, alpha_end = found[1]
    for i in range(256):
        if colour == 0:
            level = i * (255 // ((1 << depth) - 1))
            out[i] = level >= threshold
        elif alpha_end:
            out[i] = alpha + i >= alpha_end or data[alpha + i] >= threshold
        else:
            out[i] = False
            for j in range(palette + 3 * i, min(palette + 3 * i + 3, palette_end)):
                out[i] = out[i] or data[j] >= threshold


@kernel
def scan(
    data: Array,
    start: Array,
    thresholds: Array,
    limit: int,
    layout: Array,
    visible: Array,
    idat: Array,
) -> None:
    """Read the headers of everyday PNGs: whole, intact, not interlaced, of 1 to 8 bits.

    Parameters
    ----------
    data, start
        All PNGs, (b + 1,) offsets.
    thresholds
        (b,) int64.
    limit
        Most pixels that a picture may have.
    layout, visible
        The result, as `unpack` takes them.
    idat
        (b, 2) int64, the result: where the compressed pixels are; 0, 0 for any other PNG.
    """
    found = np.zeros((3, 2), np.int64)
    for i in range(start.size - 1):
        idat[i] = 0
        first = start[i]
        last = start[i + 1]
        if last - first < 57 or _read_u32(data, first + 12) != _IHDR:
            continue
        if _read_u32(data, first) != 0x89504E47 or _read_u32(data, first + 4) != 0x0D0A1A0A:
            continue
        width = _read_u32(data, first + 16)
        height = _read_u32(data, first + 20)
        depth = int(data[first + 24])
        colour = int(data[first + 25])
        if data[first + 26] or data[first + 27] or data[first + 28]:
            continue
        if width == 0 or height == 0 or width * height > limit:
            continue
        if colour in (0, 3):
            channels = 1
            if depth not in (1, 2, 4, 8):
                continue
        elif colour in (2, 4, 6):
            channels = 3 if colour == 2 else colour - 2
            if depth != 8:
                continue
        else:
            continue
        if not _find_chunks(data, first, last, found) or found[2, 1] == 0:
            continue
        if (colour == 3 and not found[0, 1]) or (colour in (0, 2) and found[1, 1]):
            continue
        mode = ANY if colour == 2 else ALPHA
        if channels == 1:
            mode = LOOKUP
            _look(data, colour, depth, thresholds[i], found, visible[i])
        layout[i, 0] = height
        layout[i, 1] = width
        layout[i, 2] = depth
        layout[i, 3] = channels
        layout[i, 4] = mode
        layout[i, 5] = thresholds[i]
        idat[i, 0] = found[2, 0]
        idat[i, 1] = found[2, 1]
