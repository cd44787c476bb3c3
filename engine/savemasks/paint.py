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
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint the shapes in list order over a background of 0.

    Parameters
    ----------
    shapes
        What to paint.
    label_of_class
        (classes,) label of every class number, 0 to skip a class; of out's dtype.
    out
        (height, width) uint8 or uint16, C-contiguous; overwritten.
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
        np.arange(len(shapes)),
        label_of_class[shapes.class_id],
        1,
        0,
        corner[0],
        corner[1],
        out,
    )
