"""Painting of flat shape arrays into a label map, all in one call.

Everything is drawn as on an endless canvas of which `out` is a window, so a window equals the same
part of any larger one. Coordinates may reach 1e9 in either direction (`shapes.COORDINATE_LIMIT`):
products of two differences still fit 64 bits. Work is bounded by what lies inside the window.
"""

from typing import Any

import numpy as np

from ...shapes import BITMAP, FACE, LINE, POINT, POLYGON, RECTANGLE
from ..jit import Array, allocating_kernel, kernel
from ..memory import filled_words, octets, words, zero_octets
from .polygons import BAND_PIXELS, SORT_LIMIT, Rings, Work, fill_rings, fill_with_holes, ring_area
from .strokes import draw_disc, draw_thick_line, fill_rectangle


@kernel
def _paint_bits(out: Array, bits: Array, shape: Array, left: int, top: int, value: Any) -> None:
    """Paint the set bits of a mask whose corner lies at (left, top) of the window.

    `shape` is its height and width; `bits` holds rows of ceil(width / 8) bytes, leftmost pixel in
    the highest bit; the bits that pad a row are zero.
    """
    height, width = shape
    stride = (width + 7) >> 3
    for row in range(max(0, -top), min(height, out.shape[0] - top)):
        target = out[top + row]
        i = max(0, -left) >> 3
        last = (min(width, out.shape[1] - left) + 7) >> 3
        while i < last:
            byte = bits[row * stride + i]
            x = left + 8 * i
            i += 1
            if byte == 0:
                continue
            if byte == 255 and x >= 0 and x + 8 <= out.shape[1]:
                # The inside: all bytes that are as full, at once.
                first = x
                full = (out.shape[1] - left) >> 3
                while i < min(last, full) and bits[row * stride + i] == 255:
                    i += 1
                for x in range(first, left + 8 * i):
                    target[np.uint64(x)] = value
            elif x >= 0 and x + 8 <= out.shape[1]:
                for bit in range(8):
                    # Always stored: the processor cannot guess which are set.
                    below = target[np.uint64(x + bit)]
                    target[np.uint64(x + bit)] = value if byte & (128 >> bit) else below
            else:
                for bit in range(8):
                    if byte & (128 >> bit) and 0 <= x + bit < out.shape[1]:
                        target[x + bit] = value


@allocating_kernel
def _allocate(
    kind: Array, ring: Array, vertex: Array, order: Array, shape: tuple[int, int]
) -> Work:
    """Scratch memory for the largest polygon of those to be painted."""
    capacity = 0
    holes = False
    for i in order:
        if kind[i] == POLYGON or kind[i] == FACE:
            capacity = max(capacity, vertex[ring[i + 1]] - vertex[ring[i]])
            holes = holes or ring[i + 1] - ring[i] > 1
    height, width = shape
    return Work(
        words(3 * capacity).reshape(capacity, 3),
        filled_words(height if capacity else 0, -1),
        words(capacity),
        words(capacity),
        words(capacity),
        zero_octets(width if capacity > SORT_LIMIT else 0),
        octets(max(BAND_PIXELS, width) if holes else 0),
    )


@allocating_kernel
def paint(
    kind: Array,
    ring: Array,
    vertex: Array,
    xy: Array,
    payload: Array,
    bits_start: Array,
    bits_shape: Array,
    bits: Array,
    order: Array,
    key: Array,
    label_of_key: Array,
    layer: Array,
    line_width: int,
    point_radius: int,
    left: int,
    top: int,
    out: Array,
) -> None:
    """Paint shapes into one map, one over the other, or into several.

    The first eight arrays are those of `shapes.Shapes`.

    `order` (k,) int64 has the numbers of the shapes from the lowest to the topmost; `key` (n,)
    int32 says by which entry of `label_of_key`, of out's dtype, each is painted, and 0 skips it.
    `layer` (k,) int64 says in which map of `out` (maps, height, width), which is not cleared then;
    if it is empty, there is one map, and it is cleared. (left, top) is the canvas position of
    out[:, 0, 0].
    """
    if layer.size == 0:
        pixels = out.reshape(out.size)
        for i in range(pixels.size):
            pixels[i] = 0
    work = _allocate(kind, ring, vertex, order, out.shape[1:])
    for j in range(order.size):
        i = order[j]
        value = label_of_key[key[i]]
        if value == 0:
            continue
        target = out[layer[j] if layer.size else 0]
        if kind[i] == POLYGON or kind[i] == FACE:
            rings = Rings(xy, vertex, ring[i], ring[i + 1], left, top)
            if rings.last - rings.first == 1:
                fill_rings(target, rings, value, work)
            else:
                fill_with_holes(target, rings, value, work)
            continue
        first = vertex[ring[i]]
        x = xy[first, 0] - left
        y = xy[first, 1] - top
        if kind[i] == RECTANGLE:
            x1 = xy[first + 1, 0] - left
            y1 = xy[first + 1, 1] - top
            fill_rectangle(target, x, y, x1, y1, value)
        elif kind[i] == LINE:
            for vertex_after in range(first + 1, vertex[ring[i + 1]]):
                x1 = xy[vertex_after, 0] - left
                y1 = xy[vertex_after, 1] - top
                draw_thick_line(target, x, y, x1, y1, line_width, value)
                x = x1
                y = y1
        elif kind[i] == POINT:
            draw_disc(target, x, y, point_radius, value)
        elif kind[i] == BITMAP:
            mask = payload[i]
            part = bits[bits_start[mask] : bits_start[mask + 1]]
            _paint_bits(target, part, bits_shape[mask], x, y, value)


@kernel
def measure(
    kind: Array,
    ring: Array,
    vertex: Array,
    xy: Array,
    payload: Array,
    bits_start: Array,
    bits: Array,
    areas: Array,
) -> None:
    """Replace areas that are NaN by the shapes' own areas, in pixels.

    A polygon's area is that between its vertices, less that of its holes. A bitmap's is the number
    of its pixels. A rectangle's includes its borders. Lines and points have the area 0.
    """
    for i in range(kind.size):
        if not np.isnan(areas[i]):
            continue
        area = 0.0
        first = vertex[ring[i]]
        if kind[i] == POLYGON or kind[i] == FACE:
            area = ring_area(xy, first, vertex[ring[i] + 1])
            holes = 0.0
            for hole in range(ring[i] + 1, ring[i + 1]):
                holes += ring_area(xy, vertex[hole], vertex[hole + 1])
            area -= holes
        elif kind[i] == RECTANGLE:
            width = abs(xy[first, 0] - xy[first + 1, 0]) + 1
            height = abs(xy[first, 1] - xy[first + 1, 1]) + 1
            area = float(width) * float(height)
        elif kind[i] == BITMAP:
            mask = payload[i]
            for j in range(bits_start[mask], bits_start[mask + 1]):
                byte = bits[j]
                while byte:
                    area += 1
                    byte &= byte - 1
        areas[i] = area
