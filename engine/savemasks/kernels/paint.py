"""Painting of flat shape arrays into a label map.

The pixel rule is that of OpenCV's 8-connected drawing functions on an endless canvas, of which
`out` is a window: a shape is never cut before it is painted, so a window equals the same part of
any larger one.

* A polygon is the even-odd interior of its rings, edges in 16.16 fixed point with slopes truncated,
  spans from the first pixel at or right of an edge to the last at or left of the next; together
  with its outline.
* An outline or a line is Bresenham's from left to right; a tie stays on the lower minor step.

Coordinates may reach 1e9 in either direction (`shapes.COORDINATE_LIMIT`): products of two
differences still fit 64 bits. Work is bounded by what lies inside the window.
"""

from typing import Any, NamedTuple

import numpy as np

from ..shapes import BITMAP, LINE, POINT, POLYGON, RECTANGLE
from .jit import Array, kernel

# Rows with more crossings than this are filled by parity instead of by sorting: linear, always.
_SORT_LIMIT = 48
# A polygon with holes is assembled in bands of about this many pixels, which stay in L2 cache.
_BAND_PIXELS = 1 << 17


class _Work(NamedTuple):
    """Scratch memory, allocated once per call for the largest polygon.

    edges       (e, 3) int64: x in 16.16, its step per row, the row at which the edge ends
    heads       (rows,) int64: the first edge that begins at a row, or -1
    links       (e,) int64: the next edge that begins at the same row, or -1
    active      (e,) int64: the edges that cross the current row
    crossings   (e,) int64: where they cross it, in 16.16
    toggles     (width,) uint8: see _fill_parity
    band        (pixels,) uint8: a part of a polygon with holes
    """

    edges: Array
    heads: Array
    links: Array
    active: Array
    crossings: Array
    toggles: Array
    band: Array


class _Rings(NamedTuple):
    """Rings `first` to `last` (excluded) of all, seen from a window with corner (left, top)."""

    xy: Array
    vertex: Array
    first: int
    last: int
    left: int
    top: int


@kernel
def _fill_span(out: Array, y: int, first: int, last: int, value: Any) -> None:
    """Paint pixels first..last of row y, both included, cut at the window's sides."""
    first = max(first, 0)
    last = min(last, out.shape[1] - 1)
    row = out[y]
    for x in range(first, last + 1):
        row[np.uint64(x)] = value


@kernel
def _draw_line(out: Array, x0: int, y0: int, x1: int, y1: int, value: Any) -> None:
    """Draw an 8-connected line of thickness 1; only the part inside the window costs time."""
    height, width = out.shape
    if x1 < x0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if x1 < 0 or x0 >= width or max(y0, y1) < 0 or min(y0, y1) >= height:
        return
    dx = x1 - x0
    dy = abs(y1 - y0)
    down = 1 if y1 >= y0 else -1
    if dy == 0:
        _fill_span(out, y0, x0, x1, value)
        return
    steep = dy > dx
    # `long` steps along the major axis; after k of them the minor axis has made
    # m(k) = (2 * short * k + long - 1) // (2 * long) steps.
    long, short = (dy, dx) if steep else (dx, dy)
    # Which k lie inside the window along y and x?
    y_first = max(0, -y0 if down > 0 else y0 - (height - 1))
    y_last = min(dy, height - 1 - y0 if down > 0 else y0)
    x_first = max(0, -x0)
    x_last = min(dx, width - 1 - x0)
    if y_first > y_last or x_first > x_last:
        return
    k, k_last = (y_first, y_last) if steep else (x_first, x_last)
    m_first, m_last = (x_first, x_last) if steep else (y_first, y_last)
    if short > 0:
        k = max(k, -((long - 1 - 2 * long * m_first) // (2 * short)))
        if m_last < short:
            k_last = min(k_last, (2 * long * m_last + long) // (2 * short))
    m = (2 * short * k + long - 1) // (2 * long)
    # The minor axis steps when `error` falls below zero.
    error = long - 2 * short * (k + 1) + 2 * long * m
    if steep:
        x = x0 + m
        y = y0 + down * k
        for _ in range(k, k_last + 1):
            out[np.uint64(y), np.uint64(x)] = value
            y += down
            if error < 0:
                x += 1
                error += 2 * long
            error -= 2 * short
    else:
        x = x0 + k
        y = y0 + down * m
        for _ in range(k, k_last + 1):
            out[np.uint64(y), np.uint64(x)] = value
            x += 1
            if error < 0:
                y += down
                error += 2 * long
            error -= 2 * short


@kernel
def _fill_sorted(out: Array, y: int, crossings: Array, count: int, value: Any) -> None:
    """Paint between the crossings of a row, pair by pair; `crossings` is sorted."""
    for i in range(0, count - 1, 2):
        first = (crossings[i] + 0xFFFF) >> 16
        last = crossings[i + 1] >> 16
        if last >= 0 and first < out.shape[1]:
            _fill_span(out, y, first, last, value)


@kernel
def _fill_parity(
    out: Array, y: int, crossings: Array, count: int, toggles: Array, value: Any
) -> None:
    """Paint between the crossings of a row without sorting them.

    A pixel is painted if the number of crossings to its left is odd, or if a crossing lies exactly
    on it (every crossing ends some span, and spans include their ends). `toggles` is all zero
    before and after; its bits are the parity of crossings just left of a pixel, that of crossings
    on it, and whether there are such.
    """
    width = out.shape[1]
    inside = 0
    lowest = width
    highest = -1
    for i in range(count):
        x = (crossings[i] + 0xFFFF) >> 16
        if x < 0:
            inside ^= 1
            lowest = 0
        elif x < width:
            if crossings[i] & 0xFFFF:
                toggles[x] ^= 1
            else:
                toggles[x] = (toggles[x] ^ 2) | 4
            lowest = min(lowest, x)
            highest = max(highest, x)
        else:
            highest = width - 1
    for x in range(lowest, highest + 1):
        toggle = toggles[x]
        inside ^= toggle & 1
        if inside or toggle & 4:
            out[y, x] = value
        inside ^= (toggle & 2) >> 1
        toggles[x] = 0


@kernel
def _collect_edges(rings: _Rings, height: int, work: _Work) -> tuple[int, int]:
    """List the edges that cross window rows, each under its first row; return the row range."""
    count = 0
    first_row = height
    last_row = -1
    for ring in range(rings.first, rings.last):
        start = rings.vertex[ring]
        stop = rings.vertex[ring + 1]
        for i in range(start, stop):
            j = i - 1 if i > start else stop - 1
            x0 = rings.xy[j, 0] - rings.left
            y0 = rings.xy[j, 1] - rings.top
            x1 = rings.xy[i, 0] - rings.left
            y1 = rings.xy[i, 1] - rings.top
            if y1 < y0:
                x0, y0, x1, y1 = x1, y1, x0, y0
            row = max(y0, 0)
            if y0 >= height or y1 <= row:
                continue
            # C's division: truncated, not floored
            slope = (abs(x1 - x0) << 16) // (y1 - y0)
            if x1 < x0:
                slope = -slope
            work.edges[count, 0] = (x0 << 16) + slope * (row - y0)
            work.edges[count, 1] = slope
            work.edges[count, 2] = y1
            work.links[count] = work.heads[row]
            work.heads[row] = count
            count += 1
            first_row = min(first_row, row)
            last_row = max(last_row, min(y1, height) - 1)
    return first_row, last_row


@kernel
def _update_active(y: int, count: int, work: _Work) -> int:
    """Drop the edges that end at row y and add those that begin there; return how many cross it."""
    kept = 0
    for i in range(count):
        edge = work.active[i]
        if work.edges[edge, 2] > y:
            work.active[kept] = edge
            kept += 1
    edge = work.heads[y]
    work.heads[y] = -1
    while edge >= 0:
        work.active[kept] = edge
        kept += 1
        edge = work.links[edge]
    return kept


@kernel
def _sort_crossings(count: int, work: _Work) -> None:
    """Sort the active edges by where they cross: insertion, for rows hardly differ in order."""
    for i in range(count):
        edge = work.active[i]
        x = work.edges[edge, 0]
        j = i
        while j > 0 and work.crossings[j - 1] > x:
            work.crossings[j] = work.crossings[j - 1]
            work.active[j] = work.active[j - 1]
            j -= 1
        work.crossings[j] = x
        work.active[j] = edge


@kernel
def _fill_rings(out: Array, rings: _Rings, value: Any, work: _Work) -> None:
    """Fill rings together by the even-odd rule, outlines included."""
    for ring in range(rings.first, rings.last):
        start = rings.vertex[ring]
        stop = rings.vertex[ring + 1]
        for i in range(start, stop):
            j = i - 1 if i > start else stop - 1
            x0 = rings.xy[j, 0] - rings.left
            y0 = rings.xy[j, 1] - rings.top
            x1 = rings.xy[i, 0] - rings.left
            y1 = rings.xy[i, 1] - rings.top
            _draw_line(out, x0, y0, x1, y1, value)
    first_row, last_row = _collect_edges(rings, out.shape[0], work)
    count = 0
    for y in range(first_row, last_row + 1):
        count = _update_active(y, count, work)
        if count > _SORT_LIMIT:
            for i in range(count):
                work.crossings[i] = work.edges[work.active[i], 0]
            _fill_parity(out, y, work.crossings, count, work.toggles, value)
        else:
            _sort_crossings(count, work)
            _fill_sorted(out, y, work.crossings, count, value)
        for i in range(count):
            edge = work.active[i]
            work.edges[edge, 0] += work.edges[edge, 1]


@kernel
def _fill_with_holes(out: Array, rings: _Rings, value: Any, work: _Work) -> None:
    """Fill the first ring without the others, which are its holes.

    Holes are filled together (even-odd among themselves) and take their outlines with them; what
    lay below shows through. The polygon is assembled in bands, so scratch memory stays small.
    """
    height, width = out.shape
    x_first = width
    x_last = -1
    y_first = height
    y_last = -1
    for i in range(rings.vertex[rings.first], rings.vertex[rings.first + 1]):
        x = rings.xy[i, 0] - rings.left
        y = rings.xy[i, 1] - rings.top
        x_first = min(x_first, max(x, 0))
        x_last = max(x_last, min(x, width - 1))
        y_first = min(y_first, max(y, 0))
        y_last = max(y_last, min(y, height - 1))
    columns = x_last - x_first + 1
    if columns <= 0:
        return
    band_rows = work.band.size // columns
    left = rings.left + x_first
    for y in range(y_first, y_last + 1, band_rows):
        rows = min(band_rows, y_last + 1 - y)
        band = work.band[: rows * columns].reshape((rows, columns))
        band[:, :] = 0
        top = rings.top + y
        exterior = _Rings(rings.xy, rings.vertex, rings.first, rings.first + 1, left, top)
        holes = _Rings(rings.xy, rings.vertex, rings.first + 1, rings.last, left, top)
        _fill_rings(band, exterior, np.uint8(1), work)
        _fill_rings(band, holes, np.uint8(0), work)
        for i in range(rows):
            for j in range(columns):
                if band[i, j]:
                    out[y + i, x_first + j] = value


@kernel
def _fill_rectangle(out: Array, x0: int, y0: int, x1: int, y1: int, value: Any) -> None:
    """Fill between two corners, both included, in any order."""
    for y in range(max(min(y0, y1), 0), min(max(y0, y1), out.shape[0] - 1) + 1):
        _fill_span(out, y, min(x0, x1), max(x0, x1), value)


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
        for i in range(max(0, -left) >> 3, (min(width, out.shape[1] - left) + 7) >> 3):
            byte = bits[row * stride + i]
            if byte == 0:
                continue
            x = left + 8 * i
            if x >= 0 and x + 8 <= out.shape[1]:
                for bit in range(8):
                    if byte & (128 >> bit):
                        target[np.uint64(x + bit)] = value
            else:
                for bit in range(8):
                    if byte & (128 >> bit) and 0 <= x + bit < out.shape[1]:
                        target[x + bit] = value


@kernel
def _allocate(kind: Array, ring: Array, vertex: Array, shape: tuple[int, int]) -> _Work:
    """Scratch memory for the largest polygon of all."""
    capacity = 0
    holes = False
    for i in range(kind.size):
        if kind[i] == POLYGON:
            capacity = max(capacity, vertex[ring[i + 1]] - vertex[ring[i]])
            holes = holes or ring[i + 1] - ring[i] > 1
    height, width = shape
    return _Work(
        np.empty((capacity, 3), np.int64),
        np.full(height if capacity else 0, -1, np.int64),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.zeros(width if capacity > _SORT_LIMIT else 0, np.uint8),
        np.empty(max(_BAND_PIXELS, width) if holes else 0, np.uint8),
    )


@kernel
def paint(
    kind: Array,
    ring: Array,
    vertex: Array,
    xy: Array,
    payload: Array,
    bits_start: Array,
    bits_shape: Array,
    bits: Array,
    labels: Array,
    left: int,
    top: int,
    out: Array,
) -> None:
    """Paint all shapes in order; the arrays are those of `shapes.Shapes`.

    `labels` (n,) has the label of every shape in out's dtype; 0 skips it. (left, top) is the
    canvas position of out[0, 0].
    """
    work = _allocate(kind, ring, vertex, out.shape)
    for i in range(kind.size):
        value = labels[i]
        if value == 0:
            continue
        if kind[i] == POLYGON:
            rings = _Rings(xy, vertex, ring[i], ring[i + 1], left, top)
            if rings.last - rings.first == 1:
                _fill_rings(out, rings, value, work)
            else:
                _fill_with_holes(out, rings, value, work)
            continue
        first = vertex[ring[i]]
        x = xy[first, 0] - left
        y = xy[first, 1] - top
        if kind[i] == RECTANGLE:
            x1 = xy[first + 1, 0] - left
            y1 = xy[first + 1, 1] - top
            _fill_rectangle(out, x, y, x1, y1, value)
        elif kind[i] == LINE:
            for j in range(first + 1, vertex[ring[i + 1]]):
                x1 = xy[j, 0] - left
                y1 = xy[j, 1] - top
                _draw_line(out, x, y, x1, y1, value)
                x = x1
                y = y1
        elif kind[i] == POINT:
            _draw_line(out, x, y, x, y, value)
        elif kind[i] == BITMAP:
            mask = payload[i]
            part = bits[bits_start[mask] : bits_start[mask + 1]]
            _paint_bits(out, part, bits_shape[mask], x, y, value)
