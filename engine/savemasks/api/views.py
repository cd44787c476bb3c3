"""What of a canvas a result shows: a window, at a scale, and what lies around it.

One rule holds for all scales. A result of `count` pixels shows `length` pixels of the canvas; the
middle of its pixel i lies over pixel (2 i + 1) * length // (2 * count) of them, and that is what it
shows of a bitmap. A vertex goes the other way: to the pixel that the middle of its own pixel comes
to lie in, which is (2 x + 1) * count // (2 * length). Whole numbers only, so nothing is rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..line.plan import Plan
from ..scratch import Buffer, own_scratch
from ..shapes import BITMAP, COORDINATE_LIMIT, Masks, Shapes
from .arguments import Window, array_for, corner_and_shape

Size = Sequence[int]
"""Height and width of a result in pixels."""
Pad = int | Sequence[int]
"""Pixels to add on all sides, or on the left, at the top, on the right and at the bottom."""

_BAND = Buffer("rows that are painted before they are copied")
_BAND_PIXELS = 1 << 18

_Axis = tuple[int, int, int]
"""First pixel of the canvas, how many of them are shown, and by how many pixels."""


@dataclass(frozen=True, slots=True)
class View:
    """What a result shows.

    Attributes
    ----------
    source
        The shapes in pixels of the canvas, whose areas decide what lies on top.
    shapes
        The same in pixels of the result's scale.
    shape
        Height and width of the result.
    inside
        The part of the result that shows the canvas.
    corner
        Position (x, y) of that part's first pixel among the shapes.
    """

    source: Shapes
    shapes: Shapes
    shape: tuple[int, int]
    inside: tuple[slice, slice]
    corner: tuple[int, int]


def view_of(
    shapes: Shapes,
    window: Window | None,
    *,
    size: Size | None = None,
    scale: float | None = None,
    pad: Pad = 0,
    may_leave: bool = False,
) -> View:
    """Work out what is to be painted.

    Raises `TypeError` or `ValueError` if an argument does not fit; `may_leave` says whether the
    window may leave the canvas.
    """
    corner, shape = corner_and_shape(window, shapes.height, shapes.width, may_leave=may_leave)
    left, top, right, bottom = _sides(pad)
    rows, columns = scaled_shape(shape, size, scale)
    across, down = (corner[0], shape[1], columns), (corner[1], shape[0], rows)
    x_first, x_last = (_first_over(across, x) for x in (0, shapes.width))
    y_first, y_last = (_first_over(down, y) for y in (0, shapes.height))
    source = shapes
    start = corner[0] + x_first, corner[1] + y_first
    if (rows, columns) != shape:
        shapes = _scaled(shapes, across, down)
        start = x_first, y_first
    return View(
        source,
        shapes,
        (top + rows + bottom, left + columns + right),
        (slice(top + y_first, top + y_last), slice(left + x_first, left + x_last)),
        start,
    )


def paint_view(
    plan: Plan,
    view: View,
    table: NDArray[np.unsignedinteger[Any]],
    fill: int | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    """Paint the labels that a view shows, and `fill` around them."""
    value = _fill_value(fill, table.dtype)
    made = array_for(out, view.shape, table.dtype, any_rows=True)
    rows, columns = view.inside
    made[: rows.start] = made[rows.stop :] = value
    made[rows, : columns.start] = made[rows, columns.stop :] = value
    inside = made[view.inside]
    if inside.size:
        order = plan.order(view.source)
        paint_rows(plan, view.shapes, table, inside, view.corner, order=order)
    return made


def paint_rows(
    plan: Plan,
    shapes: Shapes,
    table: NDArray[np.integer[Any]],
    out: NDArray[Any],
    corner: tuple[int, int],
    *,
    order: NDArray[np.int64] | None = None,
    key: NDArray[np.int32] | None = None,
) -> None:
    """Paint as `Plan.paint` does, also if there is memory of others between the rows of `out`.

    Such rows are painted elsewhere and copied, some at a time: that is cheaper than kernels which
    know of strides, and needs none that would have to be compiled besides.
    """
    if out.flags.c_contiguous:
        plan.paint(shapes, table, out, corner, order=order, key=key)
        return
    if order is None:
        order = plan.order(shapes)
    height, width = out.shape
    at_once = min(height, max(1, _BAND_PIXELS // width))
    band = own_scratch().take(_BAND, (at_once, width), out.dtype)
    for y in range(0, height, at_once):
        rows = band[: min(at_once, height - y)]
        plan.paint(shapes, table, rows, (corner[0], corner[1] + y), order=order, key=key)
        out[y : y + len(rows)] = rows
    own_scratch().forget_large()


def scaled_shape(shape: tuple[int, int], size: Size | None, scale: float | None) -> tuple[int, int]:
    """Height and width of what shows a part of the canvas of such a shape."""
    if scale is not None:
        if size is not None:
            raise ValueError("give size or scale, not both")
        if isinstance(scale, bool) or not isinstance(scale, int | float | np.number):
            raise TypeError(f"scale must be a number, not {type(scale).__name__}")
        if not 0 < scale < COORDINATE_LIMIT:
            raise ValueError(f"scale must be above 0 and below {COORDINATE_LIMIT}, not {scale}")
        rows, columns = (max(1, round(float(side * scale))) for side in shape)
    elif size is not None:
        try:
            rows, columns = map(index, size)
        except (TypeError, ValueError):
            raise TypeError(
                f"size must be two whole numbers (height, width), not {size!r}"
            ) from None
    else:
        return shape
    if not (0 < rows <= COORDINATE_LIMIT and 0 < columns <= COORDINATE_LIMIT):
        raise ValueError(f"a result of height {rows} and width {columns} cannot be made")
    return rows, columns


def _sides(pad: Pad) -> tuple[int, int, int, int]:
    try:
        sides = [index(pad)] * 4 if isinstance(pad, int | np.integer) else [*map(index, pad)]
        left, top, right, bottom = sides
    except (TypeError, ValueError):
        raise TypeError(
            f"pad must be one or four whole numbers (left, top, right, bottom), not {pad!r}"
        ) from None
    if min(sides) < 0:
        raise ValueError(f"pad must not be below 0, but is {pad!r}")
    return left, top, right, bottom


def _fill_value(fill: int | None, dtype: np.dtype[Any]) -> int:
    try:
        value = 0 if fill is None else index(fill)
    except TypeError:
        raise TypeError(f"fill must be a whole number, not {fill!r}") from None
    highest = int(np.iinfo(dtype).max)
    if not 0 <= value <= highest:
        raise ValueError(f"fill must be from 0 to {highest}, as labels of {dtype}, not {value}")
    return value


def _first_over(axis: _Axis, position: int) -> int:
    """The first pixel of a result that lies over a position of the canvas or beyond it."""
    start, length, count = axis
    first = -((length - 2 * (position - start) * count) // (2 * length))
    return min(max(first, 0), count)


def _scaled(shapes: Shapes, across: _Axis, down: _Axis) -> Shapes:
    """The shapes as a result shows them whose first pixel is (0, 0)."""
    xy = np.empty((len(shapes.xy), 2), np.int64)
    for side, (start, length, count) in enumerate((across, down)):
        # Up to four times COORDINATE_LIMIT squared, which is less than 63 bits.
        xy[:, side] = (2 * (shapes.xy[:, side] - np.int64(start)) + 1) * count // (2 * length)
    bitmaps = np.flatnonzero(shapes.kind == BITMAP)
    first = shapes.vertex[shapes.ring[bitmaps]]
    masks, xy[first] = _scaled_masks(shapes, bitmaps, across, down)
    if np.abs(xy).max(initial=0) > COORDINATE_LIMIT:
        raise ValueError(
            f"at this scale a vertex is more than {COORDINATE_LIMIT} pixels from the window"
        )
    payload = np.full(len(shapes), -1, np.int32)
    payload[bitmaps] = np.arange(bitmaps.size)
    return replace(shapes, xy=xy.astype(np.int32), payload=payload, masks=masks)


def _scaled_masks(
    shapes: Shapes, bitmaps: NDArray[np.int64], across: _Axis, down: _Axis
) -> tuple[Masks, NDArray[np.int64]]:
    """The part of every bitmap that a result shows, and where its corner is (b, 2)."""
    masks = shapes.masks
    sizes, corners, parts = [], [], []
    for i in bitmaps.tolist():
        number = shapes.payload[i]
        height, width = masks.shape[number].tolist()
        x, y = shapes.xy[shapes.vertex[shapes.ring[i]]].tolist()
        columns, rows = _shown(across, x, width), _shown(down, y, height)
        bits = masks.bits[masks.start[number] : masks.start[number + 1]]
        taken = bits.reshape(height, -1)[rows.source][:, columns.source >> 3]
        taken &= (128 >> (columns.source & 7)).astype(np.uint8)
        parts.append(np.packbits(taken != 0, axis=1).ravel())
        sizes.append(taken.shape)
        corners.append((columns.first, rows.first))
    start = np.cumsum([0, *(part.size for part in parts)], dtype=np.int64)
    bits = np.concatenate([np.zeros(0, np.uint8), *parts])
    shape = np.array(sizes, np.int64).reshape(-1, 2)
    return Masks(start, shape, bits), np.array(corners, np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class _Shown:
    """First pixel of a result that shows something, and what each of them shows of it."""

    first: int
    source: NDArray[np.int64]


def _shown(axis: _Axis, position: int, extent: int) -> _Shown:
    start, length, count = axis
    first, last = (_first_over(axis, p) for p in (position, position + extent))
    pixels = np.arange(first, last)
    return _Shown(first, start - position + (2 * pixels + 1) * length // (2 * count))
