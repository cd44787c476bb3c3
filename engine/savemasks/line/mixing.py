"""Painted copies of originals in which every object is mixed over those below it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..encode.pages import mix_over
from ..paint.labels import extents_of, paint_labels
from ..scratch import Buffer, Scratch
from ..shapes import Shapes
from .plan import Plan

Pixels = NDArray[np.uint8]

_OBJECT = Buffer("an object that is mixed over others")


def mix_objects(
    plan: Plan,
    shapes: Shapes,
    image: Pixels,
    opacity: float,
    scratch: Scratch,
    *,
    corner: tuple[int, int] = (0, 0),
    order: NDArray[np.int64] | None = None,
) -> Pixels:
    """Mix the objects of the human mask into a copy of an original.

    Parameters
    ----------
    plan
        It says which objects, in which colours and which order.
    shapes
        The annotation's.
    image
        (rows, columns, 3) uint8 RGB, maybe only a part of the original.
    opacity
        How much of the mixture is an object's colour.
    scratch
        Memory for one object.
    corner
        Position (x, y) of that part.
    order
        Numbers of all shapes that touch it, from the lowest to the topmost; by default of all.
    """
    palette, table = plan.palette_of("human"), plan.table_of("human")
    copy = image.copy()
    for label in filter(None, palette.labels(plan.backgrounds).tolist()):
        mix_over(copy, np.ones(copy.shape[:2], np.bool_), palette.colors[label], opacity=opacity)
    if order is None:
        order = plan.human_order(shapes)
    order = np.arange(len(shapes)) if order is None else order
    order = order[table[shapes.class_id[order]] > 0]
    ones = np.ones(len(plan.classes), np.uint8)
    x, y = corner
    part = (x, y, x + image.shape[1], y + image.shape[0])
    for found, (left, top, right, bottom) in _objects(shapes, order, plan.line_width, part):
        mask = scratch.take(_OBJECT, (bottom - top, right - left))
        at = (left, top)
        paint_labels(shapes, ones, mask, order=found, line_width=plan.line_width, corner=at)
        color = palette.colors[table[shapes.class_id[found[0]]]]
        mix_over(copy, mask, color, (left - x, top - y), opacity)
    return copy


def _objects(
    shapes: Shapes, order: NDArray[np.int64], line_width: int, part: tuple[int, int, int, int]
) -> Iterator[tuple[NDArray[np.int64], list[int]]]:
    """Split an order into objects; yield their shapes and their boxes in a part of the canvas.

    Boxes are left, top, right and bottom, the latter two excluded. Objects of which nothing lies in
    that part are left out.
    """
    if not order.size:
        return
    extents = extents_of(shapes, line_width)[order]
    starts = np.flatnonzero(np.diff(shapes.object_index[order], prepend=-1))
    begins = np.maximum(np.minimum.reduceat(extents[:, :2], starts), part[:2])
    ends = np.minimum(np.maximum.reduceat(extents[:, 2:], starts) + 1, part[2:])
    boxes = np.concatenate([begins, ends], axis=1)
    for found, box in zip(np.split(order, starts[1:]), boxes.tolist(), strict=True):
        if box[0] < box[2] and box[1] < box[3]:
            yield found, box
