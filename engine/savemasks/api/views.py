"""What of a canvas a result shows: a window, at a scale, and what lies around it.

One rule holds for all scales. A result of `count` pixels shows `length` pixels of the canvas; the
middle of its pixel i lies over pixel (2 i + 1) * length // (2 * count) of them, and that is what it
shows of a bitmap. A vertex goes the other way: to the pixel that the middle of its own pixel comes
to lie in, which is (2 x + 1) * count // (2 * length). Whole numbers only, so nothing is rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnnotationError
from ..line.plan import Plan
from ..scratch import Buffer, own_scratch
from ..shapes import BITMAP, COORDINATE_LIMIT, Masks, Shapes
from .arguments import Window, corner_and_shape

Size = Sequence[int]
"""Height and width of a result in pixels."""
Pad = int | Sequence[int]
"""Pixels to add on all sides, or on the left, at the top, on the right and at the bottom."""
Fill = int | Sequence[int]
"""What lies beyond the canvas: a value, or a value for each of three channels."""

_BAND = Buffer("rows that are painted before they are copied")
_BAND_PIXELS = 1 << 18
_BITMAPS = 8  # packed, so many pixels of bitmaps take a byte, as one of a result does

_Axis = tuple[int, int, int]
"""First pixel of the canvas, how many of them are shown, and by how many pixels."""


@dataclass(slots=True)  # not frozen: that would take a microsecond of every call
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
    axes
        What its columns and rows show of the canvas.
    """

    source: Shapes
    shapes: Shapes
    shape: tuple[int, int]
    inside: tuple[slice, slice]
    corner: tuple[int, int]
    axes: tuple[_Axis, _Axis]

    @property
    def is_whole(self) -> bool:
        """Whether all of the result shows the canvas."""
        return self.inside == (slice(0, self.shape[0]), slice(0, self.shape[1]))

    def taken_from(self, pixels: NDArray[np.uint8], fill: Fill | None) -> NDArray[np.uint8]:
        """The pixels (height, width, 3) of a canvas that are shown, C-contiguous."""
        (x, y), (rows, columns) = self.corner, self.inside
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if self.shapes is self.source:
            part = pixels[y : y + height, x : x + width]
        else:
            across, down = self.axes
            part = pixels[np.ix_(_positions(down, y, height), _positions(across, x, width))]
        if self.is_whole:
            return np.ascontiguousarray(part)
        made = np.empty((*self.shape, 3), np.uint8)
        fill_around(self, made, fill)[:] = part
        return made


def view_of(
    plan: Plan,
    shapes: Shapes,
    window: Window | None,
    *,
    size: Size | None = None,
    scale: float | None = None,
    fill: Fill | None = None,
    pad: Pad = 0,
) -> View:
    """Work out what is to be painted.

    With a `fill`, the window may leave the canvas. Raises `TypeError` or `ValueError` if an
    argument does not fit, and `AnnotationError` if the result has more pixels than the plan allows.
    """
    corner, shape = corner_and_shape(
        window, shapes.height, shapes.width, may_leave=fill is not None
    )
    across, down = (corner[0], shape[1], shape[1]), (corner[1], shape[0], shape[0])
    if size is None and scale is None and fill is None and isinstance(pad, int) and not pad:
        inside = slice(0, shape[0]), slice(0, shape[1])
        return View(shapes, shapes, shape, inside, corner, (across, down))
    left, top, right, bottom = _sides(pad)
    rows, columns = scaled_shape(shape, size, scale)
    across, down = (corner[0], shape[1], columns), (corner[1], shape[0], rows)
    result = top + rows + bottom, left + columns + right
    check_result(plan, result)
    x_first, x_last = (_first_over(across, x) for x in (0, shapes.width))
    y_first, y_last = (_first_over(down, y) for y in (0, shapes.height))
    source = shapes
    start = corner[0] + x_first, corner[1] + y_first
    if (rows, columns) != shape:
        shapes = _scaled(shapes, across, down, plan.rules.max_pixels)
        start = x_first, y_first
    return View(
        source,
        shapes,
        result,
        (slice(top + y_first, top + y_last), slice(left + x_first, left + x_last)),
        start,
        (across, down),
    )


def check_result(plan: Plan, shape: tuple[int, int], count: int = 1) -> None:
    """Raise `AnnotationError` for results of more pixels together than the caller wants."""
    height, width = shape
    most = plan.rules.max_pixels
    if most is not None and count * height * width > most:
        masks = "" if count == 1 else f"{count} masks of "
        raise AnnotationError(
            f"a result of {masks}{width} x {height} pixels is more than the max_pixels of {most}"
            " that are allowed"
        )


def paint_view(
    plan: Plan,
    view: View,
    table: NDArray[np.integer[Any]],
    made: NDArray[Any],
    *,
    fill: Fill | None,
    key: NDArray[np.int32] | None = None,
    order: NDArray[np.int64] | None = None,
    background: int = 0,
) -> None:
    """Paint what a view shows in what a table has for its class, or key, and `fill` around it.

    What no shape covers gets `background`. The order is the layer's by default.
    """
    inside = fill_around(view, made, fill, "labels")
    if inside.size:
        order = plan.order(view.source) if order is None else order
        paint_rows(
            plan,
            view.shapes,
            table,
            inside,
            view.corner,
            order=order,
            key=key,
            background=background,
        )


def fill_around(
    view: View, made: NDArray[Any], fill: Fill | None, noun: str = "pixels"
) -> NDArray[Any]:
    """Fill what does not show the canvas, and return the part that does.

    `made` is (height, width) or (height, width, 3).
    """
    value = 0
    if fill is not None:
        value = fill_value(fill, made.dtype, noun, has_channels=made.ndim == 3)
    if view.is_whole:
        return made
    rows, columns = view.inside
    made[: rows.start] = made[rows.stop :] = value
    made[rows, : columns.start] = made[rows, columns.stop :] = value
    return made[view.inside]


def paint_rows(
    plan: Plan,
    shapes: Shapes,
    table: NDArray[np.integer[Any]],
    out: NDArray[Any],
    corner: tuple[int, int],
    *,
    order: NDArray[np.int64] | None,
    key: NDArray[np.int32] | None = None,
    background: int = 0,
) -> None:
    """Paint as `Plan.paint` does, also if there is memory of others between the rows of `out`."""
    paint_parts(
        lambda rows, at: plan.paint(
            shapes, table, rows, at, order=order, key=key, background=background
        ),
        out,
        corner,
    )


def paint_parts(
    paint: Callable[[NDArray[Any], tuple[int, int]], None],
    out: NDArray[Any],
    corner: tuple[int, int],
) -> None:
    """Call `paint` with `out` and its corner, or with some C-contiguous rows of it at a time.

    Rows with memory of others between them are painted elsewhere and copied: that is cheaper than
    kernels which know of strides, and needs none that would have to be compiled besides.
    """
    if out.flags.c_contiguous:
        paint(out, corner)
        return
    height, width = out.shape[:2]
    at_once = min(height, max(1, _BAND_PIXELS // width))
    band = own_scratch().take(_BAND, (at_once, *out.shape[1:]), out.dtype)
    for y in range(0, height, at_once):
        rows = band[: min(at_once, height - y)]
        paint(rows, (corner[0], corner[1] + y))
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


def fill_value(
    fill: Fill, dtype: np.dtype[Any], noun: str = "pixels", *, has_channels: bool = False
) -> Any:
    """A value, or three for what has channels, that a dtype can hold; raises if it cannot."""
    is_color = has_channels and isinstance(fill, Sequence | np.ndarray)
    try:
        given: Any = fill if is_color else [fill]
        values = [*map(index, given)]
    except TypeError:
        values = []
    if len(values) != (3 if is_color else 1):
        or_color = " or a colour of three" if has_channels else ""
        raise TypeError(f"fill must be a whole number{or_color}, not {fill!r}")
    lowest, highest = _range_of(dtype)
    if not all(lowest <= value <= highest for value in values):
        raise ValueError(
            f"fill must be from {lowest} to {highest}, as {noun} of {dtype}, not {fill}"
        )
    return values if len(values) > 1 else values[0]


def _range_of(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype == np.bool_:
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _first_over(axis: _Axis, position: int) -> int:
    """The first pixel of a result that lies over a position of the canvas or beyond it."""
    start, length, count = axis
    first = -((length - 2 * (position - start) * count) // (2 * length))
    return min(max(first, 0), count)


def _scaled(shapes: Shapes, across: _Axis, down: _Axis, most: int | None) -> Shapes:
    """The shapes as a result shows them whose first pixel is (0, 0)."""
    xy = np.empty((len(shapes.xy), 2), np.int64)
    for side, (start, length, count) in enumerate((across, down)):
        # Up to four times COORDINATE_LIMIT squared, which is less than 63 bits.
        xy[:, side] = (2 * (shapes.xy[:, side] - np.int64(start)) + 1) * count // (2 * length)
    bitmaps = np.flatnonzero(shapes.kind == BITMAP)
    first = shapes.vertex[shapes.ring[bitmaps]]
    masks, xy[first] = _scaled_masks(shapes, bitmaps, across, down, most)
    if np.abs(xy).max(initial=0) > COORDINATE_LIMIT:
        raise ValueError(
            f"at this scale a vertex is more than {COORDINATE_LIMIT} pixels from the window"
        )
    payload = np.full(len(shapes), -1, np.int32)
    payload[bitmaps] = np.arange(bitmaps.size)
    return replace(shapes, xy=xy.astype(np.int32), payload=payload, masks=masks)


def _scaled_masks(
    shapes: Shapes, bitmaps: NDArray[np.int64], across: _Axis, down: _Axis, most: int | None
) -> tuple[Masks, NDArray[np.int64]]:
    """The part of every bitmap that a result shows, and where its corner is (b, 2)."""
    masks = shapes.masks
    sizes, corners, parts = [], [], []
    pixels = 0
    for i in bitmaps.tolist():
        number = shapes.payload[i]
        height, width = masks.shape[number].tolist()
        x, y = shapes.xy[shapes.vertex[shapes.ring[i]]].tolist()
        columns, rows = _shown(across, x, width), _shown(down, y, height)
        pixels += columns.source.size * rows.source.size
        if most is not None and pixels > _BITMAPS * most:
            raise AnnotationError(
                f"at this scale the bitmaps have more than {_BITMAPS * most} pixels together"
                f" ({_BITMAPS} times the max_pixels of {most} that are allowed)",
                object_index=int(shapes.object_index[i]),
            )
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
    first, last = (_first_over(axis, p) for p in (position, position + extent))
    return _Shown(first, _positions(axis, first, last - first) - position)


def _positions(axis: _Axis, first: int, count: int) -> NDArray[np.int64]:
    """What so many pixels of a result show of the canvas."""
    start, length, total = axis
    pixels = np.arange(first, first + count)
    return start + (2 * pixels + 1) * length // (2 * total)
