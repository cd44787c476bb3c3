"""Spans, rectangles, lines and discs: OpenCV's 8-connected drawing on an endless canvas.

`out` is a window of that canvas: a stroke is never cut before it is drawn, so a window equals the
same part of any larger one, and only the part inside the window costs time. Coordinates are seen
from the window's corner and may be 2e9 pixels away from it.

* A line of thickness 1 is Bresenham's from left to right; a tie stays on the lower minor step.
* A thicker line is a quadrilateral in 16.16 fixed point, its outline included, with discs at both
  ends; a disc is the midpoint circle, filled.
"""

from typing import Any

import numpy as np

from ..jit import Array, kernel

_ONE = 1 << 16
_HALF = 1 << 15


@kernel
def fill_span(out: Array, y: int, first: int, last: int, value: Any) -> None:
    """Paint pixels first..last of row y, both included, cut at the window's sides."""
    first = max(first, 0)
    last = min(last, out.shape[1] - 1)
    row = out[y]
    for x in range(first, last + 1):
        row[np.uint64(x)] = value


@kernel
def fill_rectangle(out: Array, x0: int, y0: int, x1: int, y1: int, value: Any) -> None:
    """Fill between two corners, both included, in any order."""
    for y in range(max(min(y0, y1), 0), min(max(y0, y1), out.shape[0] - 1) + 1):
        fill_span(out, y, min(x0, x1), max(x0, x1), value)


@kernel
def draw_line(out: Array, x0: int, y0: int, x1: int, y1: int, value: Any) -> None:
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
        fill_span(out, y0, x0, x1, value)
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
def draw_disc(out: Array, x: int, y: int, radius: int, value: Any) -> None:
    """Fill a circle; radius 0 is one pixel."""
    long = radius
    short = 0
    error = 0
    while long >= short:
        fill_row(out, y - short, x - long, x + long, value)
        fill_row(out, y + short, x - long, x + long, value)
        fill_row(out, y - long, x - short, x + short, value)
        fill_row(out, y + long, x - short, x + short, value)
        error += 2 * short + 1
        short += 1
        if error > 0:
            error -= 2 * long - 1
            long -= 1


@kernel
def fill_row(out: Array, y: int, first: int, last: int, value: Any) -> None:
    """Paint pixels first..last of row y, cut at all sides of the window."""
    if 0 <= y < out.shape[0]:
        fill_span(out, y, first, last, value)


@kernel
def _divide(a: int, b: int) -> int:
    """Quotient a / b of C, truncated towards zero; b is positive."""
    return a // b if a >= 0 else -(-a // b)


@kernel
def _draw_fixed_line(out: Array, x0: int, y0: int, x1: int, y1: int, value: Any) -> None:
    """Draw a line between two points in 16.16, as outlines of thick lines have it."""
    height, width = out.shape
    dx = x1 - x0
    dy = y1 - y0
    flat = abs(dx) > abs(dy)
    if (dx if flat else dy) < 0:
        x0, y0, x1, y1 = x1, y1, x0, y0
        dx = -dx
        dy = -dy
    x = (x1 + _HALF) >> 16
    fill_row(out, (y1 + _HALF) >> 16, x, x, value)
    x0 += _HALF
    y0 += _HALF
    if flat:
        step = _divide(dy << 16, dx | 1)
        x = x0 >> 16
        for k in range(max(0, -x), min(dx >> 16, width - 1 - x) + 1):
            y = (y0 + k * step) >> 16
            if 0 <= y < height:
                out[y, x + k] = value
    else:
        step = _divide(dx << 16, dy | 1)
        y = y0 >> 16
        for k in range(max(0, -y), min(dy >> 16, height - 1 - y) + 1):
            x = (x0 + k * step) >> 16
            if 0 <= x < width:
                out[y + k, x] = value


@kernel
def _fill_quadrilateral(
    out: Array,
    xs: tuple[int, int, int, int],
    ys: tuple[int, int, int, int],
    value: Any,
) -> None:
    """Fill a convex quadrilateral in 16.16 between its two chains of edges from top to bottom.

    OpenCV follows the chains row by row, and takes the next edge of each where one ends; here rows
    above the window are skipped in one step.
    """
    corner = 0
    for i in range(4):
        j = (i + 3) & 3
        _draw_fixed_line(out, xs[j], ys[j], xs[i], ys[i], value)
        if ys[i] < ys[corner]:
            corner = i
    y = (ys[corner] + _HALF) >> 16
    last = min((max(ys) + _HALF) >> 16, out.shape[0] - 1)
    # Per chain: its present corner, the row where its edge ends, x and step per row.
    a = b = corner
    a_end = b_end = y
    a_x = b_x = a_step = b_step = 0
    left_over = 4
    drawn = False
    while y <= last:
        while y >= a_end and left_over > 0:
            i = (a + 1) & 3
            left_over -= 1
            end = (ys[i] + _HALF) >> 16
            if end > y:
                a_step = _divide(2 * (xs[i] - xs[a]) + (end - y), 2 * (end - y))
                a_x = xs[a]
                a_end = end
                drawn = True
            a = i
        while y >= b_end and left_over > 0:
            i = (b + 3) & 3
            left_over -= 1
            end = (ys[i] + _HALF) >> 16
            if end > y:
                b_step = _divide(2 * (xs[i] - xs[b]) + (end - y), 2 * (end - y))
                b_x = xs[b]
                b_end = end
            b = i
        if not drawn or y >= min(a_end, b_end):
            return  # no edge is left: the outline alone has the lowest row
        # Rows up to the next corner need no more decisions.
        stop = min(a_end, b_end, last + 1)
        first = min(max(y, 0), stop)
        a_x += a_step * (first - y)
        b_x += b_step * (first - y)
        for row in range(first, stop):
            x0 = (min(a_x, b_x) + _HALF) >> 16
            x1 = (max(a_x, b_x) + _HALF) >> 16
            fill_span(out, row, x0, x1, value)
            a_x += a_step
            b_x += b_step
        y = stop


@kernel
def draw_thick_line(
    out: Array, x0: int, y0: int, x1: int, y1: int, thickness: int, value: Any
) -> None:
    """Draw a line of any thickness with round ends."""
    if thickness <= 1:
        draw_line(out, x0, y0, x1, y1, value)
        return
    radius = (thickness + 1) >> 1
    reach = thickness + 2
    if (
        max(x0, x1) + reach < 0
        or min(x0, x1) - reach >= out.shape[1]
        or max(y0, y1) + reach < 0
        or min(y0, y1) - reach >= out.shape[0]
    ):
        return
    draw_disc(out, x0, y0, radius, value)
    draw_disc(out, x1, y1, radius, value)
    dx = float(x0 - x1)
    dy = float(y1 - y0)
    length = dx * dx + dy * dy
    if length == 0:
        return
    half = ((thickness << 15) + (thickness & 1) * 0.5 * _ONE) / np.sqrt(length)
    # Half to even, as the processor rounds.
    across = int(np.rint(dy * half))
    along = int(np.rint(dx * half))
    x0 <<= 16
    y0 <<= 16
    x1 <<= 16
    y1 <<= 16
    xs = (x0 + across, x0 - across, x1 - across, x1 + across)
    ys = (y0 + along, y0 - along, y1 - along, y1 + along)
    _fill_quadrilateral(out, xs, ys, value)
