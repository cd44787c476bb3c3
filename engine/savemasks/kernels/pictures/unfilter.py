"""PNG scanlines → RGB pixels, in one pass.

PNG's filters treat every channel by itself. So alpha, which is dropped, is never computed, and the
three channels of a colour row are computed side by side. The pixel to the left stays in registers.
Many pictures are stored in colours and have only grays: as long as the channels of all rows are
equal, and then their differences are, too, one is computed for all three.
"""

import numpy as np

from ..jit import Array, kernel


@kernel
def _paeth(a: int, b: int, c: int) -> int:
    """The one of left, above and upper left that is nearest to a + b - c; the first of equals.

    That estimate is as far from a as b is from c, and as far from b as a is from c. Worked out,
    high is nearest if edge <= low, low if edge >= high, and c otherwise, which takes two
    comparisons and no branch to mispredict.
    """
    edge = 3 * c - (a + b)
    low = min(a, b)
    high = max(a, b)
    guess = low if high <= edge else c
    return high if edge <= low else guess


@kernel
def _color_row(kind: int, raw: Array, at: int, step: int, above: Array, out: Array) -> None:
    """Undo the filter of a row of RGB (step 3) or RGBA (step 4) into a row of RGB."""
    n = out.size // 3
    r = g = b = 0
    if kind == 0:
        if step == 3:
            for x in range(3 * n):
                out[np.uint64(x)] = raw[np.uint64(at + x)]
        else:
            for x in range(n):
                for k in range(3):
                    out[np.uint64(3 * x + k)] = raw[np.uint64(at + step * x + k)]
    elif kind == 1:
        for x in range(n):
            i = np.uint64(at + step * x)
            o = np.uint64(3 * x)
            r = (r + int(raw[i])) & 255
            g = (g + int(raw[i + np.uint64(1)])) & 255
            b = (b + int(raw[i + np.uint64(2)])) & 255
            out[o] = r
            out[o + np.uint64(1)] = g
            out[o + np.uint64(2)] = b
    elif kind == 2:
        if step == 3:
            for x in range(3 * n):
                out[np.uint64(x)] = raw[np.uint64(at + x)] + above[np.uint64(x)]
        else:
            for x in range(n):
                for k in range(3):
                    o = np.uint64(3 * x + k)
                    out[o] = raw[np.uint64(at + step * x + k)] + above[o]
    elif kind == 3:
        for x in range(n):
            i = np.uint64(at + step * x)
            o = np.uint64(3 * x)
            r = (((r + int(above[o])) >> 1) + int(raw[i])) & 255
            g = (((g + int(above[o + np.uint64(1)])) >> 1) + int(raw[i + np.uint64(1)])) & 255
            b = (((b + int(above[o + np.uint64(2)])) >> 1) + int(raw[i + np.uint64(2)])) & 255
            out[o] = r
            out[o + np.uint64(1)] = g
            out[o + np.uint64(2)] = b
    else:
        last_r = last_g = last_b = 0
        for x in range(n):
            i = np.uint64(at + step * x)
            o = np.uint64(3 * x)
            up_r = int(above[o])
            up_g = int(above[o + np.uint64(1)])
            up_b = int(above[o + np.uint64(2)])
            r = (_paeth(r, up_r, last_r) + int(raw[i])) & 255
            g = (_paeth(g, up_g, last_g) + int(raw[i + np.uint64(1)])) & 255
            b = (_paeth(b, up_b, last_b) + int(raw[i + np.uint64(2)])) & 255
            out[o] = r
            out[o + np.uint64(1)] = g
            out[o + np.uint64(2)] = b
            last_r, last_g, last_b = up_r, up_g, up_b


@kernel
def _sample_row(kind: int, raw: Array, at: int, step: int, above: Array, out: Array) -> None:
    """Undo the filter of every `step`-th byte of a row."""
    a = c = 0
    if kind == 0:
        for x in range(out.size):
            out[np.uint64(x)] = raw[np.uint64(at + step * x)]
    elif kind == 1:
        for x in range(out.size):
            a = (a + int(raw[np.uint64(at + step * x)])) & 255
            out[np.uint64(x)] = a
    elif kind == 2:
        for x in range(out.size):
            out[np.uint64(x)] = raw[np.uint64(at + step * x)] + above[np.uint64(x)]
    elif kind == 3:
        for x in range(out.size):
            b = int(above[np.uint64(x)])
            a = (((a + b) >> 1) + int(raw[np.uint64(at + step * x)])) & 255
            out[np.uint64(x)] = a
    else:
        for x in range(out.size):
            b = int(above[np.uint64(x)])
            a = (_paeth(a, b, c) + int(raw[np.uint64(at + step * x)])) & 255
            out[np.uint64(x)] = a
            c = b


@kernel
def _take_grays(raw: Array, at: int, step: int, out: Array) -> bool:
    """Write the first byte of every pixel; return whether the second and third ones equal it."""
    different = np.uint8(0)
    for x in range(out.size):
        i = np.uint64(at + step * x)
        red = raw[i]
        change = (red ^ raw[i + np.uint64(1)]) | (red ^ raw[i + np.uint64(2)])
        different = np.uint8(different | change)
        out[np.uint64(x)] = red
    return bool(different == 0)


@kernel
def _spread(line: Array, out: Array) -> None:
    """Write every gray three times."""
    for x in range(line.size):
        for k in range(3):
            out[np.uint64(3 * x + k)] = line[np.uint64(x)]


@kernel
def _two_paeth_rows(first: Array, second: Array, above: Array, out: Array, next_out: Array) -> None:
    """Undo the filter Paeth of two rows of samples, the second one a sample behind the first.

    Each has to wait for its own sample to the left; side by side they take as long as one.
    """
    n = out.size
    b = 0 + int(above[0])  # with a sign
    a = (b + int(first[0])) & 255
    out[0] = a
    c = b
    left = 0
    upper_left = 0
    for x in range(1, n):
        b = 0 + int(above[np.uint64(x)])
        up = a
        a = (_paeth(a, b, c) + int(first[np.uint64(x)])) & 255
        out[np.uint64(x)] = a
        c = b
        left = (_paeth(left, up, upper_left) + int(second[np.uint64(x - 1)])) & 255
        next_out[np.uint64(x - 1)] = left
        upper_left = up
    left = (_paeth(left, a, upper_left) + int(second[n - 1])) & 255
    next_out[n - 1] = left


@kernel
def _gray_rows(raw: Array, step: int, lines: Array, out: Array) -> int:
    """Undo the filters of the first rows of RGB (step 3) or RGBA (step 4) that have only grays.

    Returns how many these are. `lines` is (6, width) of scratch, whose first row is zeros.
    """
    height = out.shape[0]
    stride = step * (out.shape[1] // 3) + 1
    above = 0
    y = 0
    while y < height:
        at = y * stride
        kind = int(raw[at])
        if kind > 4 or not _take_grays(raw, at + 1, step, lines[4]):
            break
        row = 1 if above == 0 else (above % 3 + 1)
        is_two = kind == 4 and y + 1 < height and raw[at + stride] == 4
        if is_two and _take_grays(raw, at + stride + 1, step, lines[5]):
            next_row = row % 3 + 1
            _two_paeth_rows(lines[4], lines[5], lines[above], lines[row], lines[next_row])
            _spread(lines[row], out[y])
            _spread(lines[next_row], out[y + 1])
            above = next_row
            y += 2
        else:
            _sample_row(kind, lines[4], 0, 1, lines[above], lines[row])
            _spread(lines[row], out[y])
            above = row
            y += 1
    return y


@kernel
def _look_up(line: Array, depth: int, table: Array, out: Array) -> None:
    """Write the colours of a row of samples of 1, 2, 4 or 8 bits."""
    mask = (1 << depth) - 1
    for x in range(out.size // 3):
        bit = x * depth
        sample = (int(line[np.uint64(bit >> 3)]) >> (8 - depth - (bit & 7))) & mask
        for k in range(3):
            out[np.uint64(3 * x + k)] = table[np.uint64(sample), np.uint64(k)]


@kernel
def to_rgb(raw: Array, depth: int, channels: int, table: Array, lines: Array, out: Array) -> bool:
    """Undo the row filters of a picture and write it as RGB.

    Parameters
    ----------
    raw
        Inflated scanlines, a filter byte before each row.
    depth, channels
        Bits per sample, samples per pixel. With 3 or 4 channels, the first three are the colour;
        with 1 or 2, the first is looked up. Depths below 8 come with one channel only.
    table
        (256, 3) uint8, the colours of samples.
    lines
        Scratch, (2, at least the bytes of a row and of the result) uint8, contiguous.
    out
        The result, (height, 3 * width) uint8.

    Returns
    -------
    bool
        False if a row has a filter that does not exist.
    """
    height = out.shape[0]
    width = out.shape[1] // 3
    stride = (width * depth * channels + 7) >> 3
    color = channels >= 3
    samples = 3 * width if color else (width * depth + 7) >> 3
    lines[0, :] = 0
    first = 0
    above = lines[0, :samples]
    line = lines[1, :samples]
    if color:
        first = _gray_rows(raw, channels, lines.reshape((6, width)), out)
        if first:
            above = out[first - 1]
    at = first * (stride + 1)
    for y in range(first, height):
        kind = int(raw[at])
        if kind > 4:
            return False
        if color:
            _color_row(kind, raw, at + 1, channels, above, out[y])
            above = out[y]
        else:
            _sample_row(kind, raw, at + 1, channels, above, line)
            _look_up(line, depth, table, out[y])
            above, line = line, above
        at += stride + 1
    return True
