"""`Shapes` → label map, or masks that do not cover each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint import extents
from ..kernels.paint import painting as kernels
from ..shapes import Shapes

_ONE_MAP = np.zeros(0, np.int64)
_AS_LISTED = np.arange(1 << 10)  # slices of it are cheaper than new arrays


def paint_labels(
    shapes: Shapes,
    label_of_class: NDArray[np.integer[Any]],
    out: NDArray[np.integer[Any]],
    *,
    key: NDArray[np.int32] | None = None,
    order: NDArray[np.int64] | None = None,
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
    background: int = 0,
) -> None:
    """Paint the shapes in the labels of their classes over a background.

    Parameters
    ----------
    shapes
        What to paint.
    label_of_class
        (classes,) label of every class number, 0 to skip a class; of out's dtype.
    out
        (height, width) uint8, uint16 or int32, C-contiguous; overwritten.
    key
        (n,) index into `label_of_class` of every shape; by default its class.
    order
        Numbers of the shapes to paint, from the lowest to the topmost; by default all as listed.
    line_width
        Thickness of lines in pixels; points are discs of radius round(line_width / 2).
    corner
        Canvas position (x, y) of out[0, 0]: any window of the canvas can be painted by itself.
    background
        What no shape covers.
    """
    key = shapes.class_id if key is None else key
    if order is None:
        count = len(key)
        order = _AS_LISTED[:count] if count <= _AS_LISTED.size else np.arange(count)
    _paint(shapes, order, key, label_of_class, _ONE_MAP, line_width, corner, out[np.newaxis])
    if background:
        np.putmask(out, out == 0, background)


def paint_masks(
    shapes: Shapes,
    label_of_class: NDArray[np.uint8],
    out: NDArray[np.uint8],
    *,
    order: NDArray[np.int64],
    layer: NDArray[np.int64],
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint the shapes into several masks, of which none covers another.

    Parameters
    ----------
    shapes, label_of_class, line_width, corner
        As for `paint_labels`.
    out
        (masks, height, width) uint8, C-contiguous, of zeros.
    order
        (k,) numbers of the shapes to paint.
    layer
        (k,) in which of the masks each is painted.
    """
    if order.size:
        key = shapes.class_id
        _paint(shapes, order, key, label_of_class, layer, line_width, corner, out)


def _paint(
    shapes: Shapes,
    order: NDArray[np.int64],
    key: NDArray[np.int32],
    label_of_key: NDArray[np.integer[Any]],
    layer: NDArray[np.int64],
    line_width: int,
    corner: tuple[int, int],
    out: NDArray[np.integer[Any]],
) -> None:
    masks = shapes.masks
    kernels.paint(
        shapes.kind,
        shapes.ring,
        shapes.vertex,
        shapes.xy,
        shapes.payload,
        masks.start,
        masks.shape,
        masks.bits,
        order,
        key,
        label_of_key,
        layer,
        line_width,
        round(line_width / 2),  # halves to even
        corner[0],
        corner[1],
        out,
    )


def extents_of(shapes: Shapes, line_width: int) -> NDArray[np.int64]:
    """Left, top, right and bottom (n, 4) of what every shape may paint, all of them included."""
    found = np.empty((len(shapes), 4), np.int64)
    extents.measure_extents(
        shapes.kind,
        shapes.ring,
        shapes.vertex,
        shapes.xy,
        shapes.payload,
        shapes.masks.shape,
        line_width,
        round(line_width / 2),
        found,
    )
    return found
