"""Polygons: the even-odd interior of rings together with their outlines.

The pixel rule is that of OpenCV's `fillPoly` on an endless canvas of which `out` is a window:
edges in 16.16 fixed point with slopes truncated; spans from the first pixel at or right of an edge
to the last at or left of the next; outlines as lines of thickness 1.
"""

from typing import Any, NamedTuple

import numpy as np

from ..jit import Array, kernel
from .strokes import draw_line, fill_span

# Rows with more crossings than this are filled by parity instead of by sorting: linear, always.
SORT_LIMIT = 48
# A polygon with holes is assembled in bands of about this many pixels, which stay in L2 cache.
BAND_PIXELS = 1 << 17


class Work(NamedTuple):
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


class Rings(NamedTuple):
    """Rings `first` to `last` (excluded) of all, seen from a window with corner (left, top)."""

    xy: Array
    vertex: Array
    first: int
    last: int
    left: int
    top: int


@kernel
def _fill_sorted(out: Array, y: int, crossings: Array, count: int, value: Any) -> None:
    """Paint between the crossings of a row, pair by pair; `crossings` is sorted."""
    for i in range(0, count - 1, 2):
        first = (crossings[i] + 0xFFFF) >> 16
        last = crossings[i + 1] >> 16
        if last >= 0 and first < out.shape[1]:
            fill_span(out, y, first, last, value)


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
def _edge(rings: Rings, start: int, stop: int, i: int) -> tuple[int, int, int, int]:
    """The edge that ends in vertex i of a closed ring, seen from the window."""
    j = i - 1 if i > start else stop - 1
    return (
        rings.xy[j, 0] - rings.left,
        rings.xy[j, 1] - rings.top,
        rings.xy[i, 0] - rings.left,
        rings.xy[i, 1] - rings.top,
    )


@kernel
def _collect_edges(rings: Rings, height: int, work: Work) -> tuple[int, int]:
    """List the edges that cross window rows, each under its first row; return the row range."""
    count = 0
    first_row = height
    last_row = -1
    for ring in range(rings.first, rings.last):
        start = rings.vertex[ring]
        stop = rings.vertex[ring + 1]
        for i in range(start, stop):
            x0, y0, x1, y1 = _edge(rings, start, stop, i)
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
def _update_active(y: int, count: int, work: Work) -> int:
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
def _sort_crossings(count: int, work: Work) -> None:
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
def fill_rings(out: Array, rings: Rings, value: Any, work: Work) -> None:
    """Fill rings together by the even-odd rule, outlines included."""
    for ring in range(rings.first, rings.last):
        start = rings.vertex[ring]
        stop = rings.vertex[ring + 1]
        for i in range(start, stop):
            x0, y0, x1, y1 = _edge(rings, start, stop, i)
            draw_line(out, x0, y0, x1, y1, value)
    first_row, last_row = _collect_edges(rings, out.shape[0], work)
    count = 0
    for y in range(first_row, last_row + 1):
        count = _update_active(y, count, work)
        if count > SORT_LIMIT:
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
def fill_with_holes(out: Array, rings: Rings, value: Any, work: Work) -> None:
    """Fill the first ring without the others, which are its holes.

    Holes are filled together (even-odd among themselves), outlines included; what lies below shows
    through. The polygon is assembled in bands, so scratch memory stays small.
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
        exterior = Rings(rings.xy, rings.vertex, rings.first, rings.first + 1, left, top)
        holes = Rings(rings.xy, rings.vertex, rings.first + 1, rings.last, left, top)
        fill_rings(band, exterior, np.uint8(1), work)
        fill_rings(band, holes, np.uint8(0), work)
        for i in range(rows):
            source = band[i]
            target = out[y + i]
            for j in range(columns):
                # Always stored, so that many pixels are done at once.
                below = target[np.uint64(x_first + j)]
                target[np.uint64(x_first + j)] = value if source[np.uint64(j)] else below


@kernel
def ring_area(xy: Array, first: int, last: int) -> float:
    """Area that a ring of vertices encloses, by the shoelace formula."""
    twice = 0.0
    j = last - 1
    for i in range(first, last):
        twice += float(xy[i, 1]) * float(xy[j, 0]) - float(xy[i, 0]) * float(xy[j, 1])
        j = i
    return 0.5 * abs(twice)
