"""`Shapes` → label map."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernels import paint as kernels
from .shapes import Shapes


def paint_labels(
    shapes: Shapes,
    label_of_class: NDArray[np.unsignedinteger[Any]],
    out: NDArray[np.unsignedinteger[Any]],
    *,
    order: NDArray[np.int64] | None = None,
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint the shapes in the labels of their classes over a background of 0.

    Parameters are those of `paint_values`, but for `label_of_class`: (classes,) label of every
    class number, 0 to skip a class; of out's dtype.
    """
    values = label_of_class[shapes.class_id]
    paint_values(shapes, values, out, order=order, line_width=line_width, corner=corner)


def paint_values(
    shapes: Shapes,
    values: NDArray[np.integer[Any]],
    out: NDArray[np.integer[Any]],
    *,
    order: NDArray[np.int64] | None = None,
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint every shape in its own value over a background of 0.

    Parameters
    ----------
    shapes
        What to paint.
    values
        (n,) value of every shape, 0 to skip it; of out's dtype.
    out
        (height, width) uint8, uint16 or int32, C-contiguous; overwritten.
    order
        Numbers of the shapes to paint, from the lowest to the topmost; by default all as listed.
    line_width
        Thickness of lines in pixels; points are discs of radius round(line_width / 2).
    corner
        Canvas position (x, y) of out[0, 0]: any window of the canvas can be painted by itself.
    """
    out.fill(0)
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
        np.arange(len(shapes)) if order is None else order,
        values,
        line_width,
        round(line_width / 2),  # halves to even
        corner[0],
        corner[1],
        out,
    )
