"""Which shape lies above which: the numbers of the shapes from the lowest to the topmost."""

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.painting import measure
from ..shapes import FACE, Shapes
from .labels import paint_labels

_BAND_PIXELS = 1 << 22  # pixels of a solid that are counted at once


def paint_order(
    shapes: Shapes, *, by_area: bool, rank_of_class: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The order in which to paint (n,).

    Parameters
    ----------
    shapes
        What is to be painted.
    by_area
        Whether larger objects lie below smaller ones. Equal ones keep the annotation's order.
    rank_of_class
        (classes,) by class number: objects of a higher rank lie above all of a lower one.
    """
    order = np.arange(len(shapes))
    if by_area:
        areas = object_areas(shapes)
        order = order[np.argsort(-areas[shapes.object_index], kind="stable")]
    if rank_of_class is not None:
        ranks = rank_of_class[shapes.class_id[order]]
        order = order[np.argsort(ranks, kind="stable")]
    return order


def object_areas(shapes: Shapes) -> NDArray[np.float64]:
    """Area of every object in pixels: the sum of its shapes' areas.

    The faces of a solid overlap, so for solids without an area the painted pixels are counted.
    """
    areas = shapes.area.copy()
    masks = shapes.masks
    measure(
        shapes.kind,
        shapes.ring,
        shapes.vertex,
        shapes.xy,
        shapes.payload,
        masks.start,
        masks.bits,
        areas,
    )
    objects = int(np.max(shapes.object_index, initial=-1)) + 1
    totals = np.zeros(objects, np.float64)
    np.add.at(totals, shapes.object_index, areas)
    is_solid = (shapes.kind == FACE) & np.isnan(shapes.area)
    for solid in np.unique(shapes.object_index[is_solid]):
        order = np.flatnonzero(shapes.object_index == solid)
        totals[solid] = _painted_pixels(shapes, order)
    return totals


def _painted_pixels(shapes: Shapes, order: NDArray[np.int64]) -> int:
    """How many pixels of the canvas some shapes cover together."""
    vertices = [
        shapes.xy[shapes.vertex[shapes.ring[i]] : shapes.vertex[shapes.ring[i + 1]]] for i in order
    ]
    xy = np.concatenate(vertices).astype(np.int64)
    left, top = np.maximum(xy.min(axis=0), 0).tolist()
    right, bottom = np.minimum(xy.max(axis=0) + 1, (shapes.width, shapes.height)).tolist()
    if right <= left or bottom <= top:
        return 0
    classes = np.ones(int(np.max(shapes.class_id)) + 1, np.uint8)
    rows = max(1, _BAND_PIXELS // (right - left))
    painted = 0
    for y in range(top, bottom, rows):
        window = np.empty((min(rows, bottom - y), right - left), np.uint8)
        paint_labels(shapes, classes, window, order=order, corner=(left, y))
        painted += int(np.count_nonzero(window))
    return painted
