"""What detection and segmentation models are trained on, made of one annotation."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.extents import tighten_boxes
from ..line.drawings import Labels
from ..line.plan import Plan
from ..paint.labels import extents_of, paint_masks
from ..shapes import Shapes
from .arguments import Annotation, Window, array_for
from .protocols import Opening
from .views import Pad, Size, View, check_result, fill_around, fill_value, paint_rows, view_of


class Targets(TypedDict):
    """The objects of an annotation, as torchvision's detection models take them.

    Keys
    ----
    boxes
        (n, 4) float32: x1, y1, x2, y2 around the pixels of every mask.
    labels
        (n,) int64.
    masks
        (n, height, width) uint8, 1 where the object is, whatever covers it.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]


def targets(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: int | None = None,
    pad: Pad = 0,
    out: NDArray[np.uint8] | None = None,
) -> Targets:
    """Paint what torchvision's detection models are trained on: boxes, labels and masks.

    Every object has a mask of its own, whatever covers it. Objects without a pixel in the
    window are left out.

    Parameters
    ----------
    annotation, window, size, scale, pad
        As for `labels`; boxes are pixels of the result.
    fill
        What masks have beyond the canvas, from 0 to 255; a window may leave the canvas then. It is
        no part of an object, so boxes do not count it.
    out
        Where to write masks, (capacity, height, width) uint8, with room for the objects that may
        reach into the window. `masks` are then the first of it. Each row must be contiguous.

    Returns
    -------
    dict
        "boxes" (n, 4) float32, "labels" (n,) int64, "masks" (n, height, width) uint8 of 0 and
        1. A box is x1, y1, x2, y2 of the painted pixels; x2 and y2 are one beyond the last, so
        that the box of one pixel is 1 wide. Labels are those of `labels`.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> targets = painter.targets(annotation)
    >>> targets["boxes"].tolist(), targets["labels"].tolist(), targets["masks"].shape
    ([[1.0, 1.0, 4.0, 3.0], [3.0, 2.0, 5.0, 4.0]], [1, 2], (2, 4, 6))
    """
    shapes = self._open(annotation)
    view = view_of(self._plan, shapes, window, size=size, scale=scale, fill=fill, pad=pad)
    return _targets(self._plan, view, fill, out)


def one_hot(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: int | None = None,
    pad: Pad = 0,
    out: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Paint every class in a mask of its own, so that classes may overlap.

    Parameters
    ----------
    annotation, window, size, scale, pad
        As for `labels`.
    fill
        What all masks have beyond the canvas, 0 or 1; a window may leave the canvas then.
    out
        Where to write. Each row must be contiguous.

    Returns
    -------
    (classes, height, width) bool, in the order of the labels and without the background: the
    first mask is of label 1.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> kiwi, lemon = painter.one_hot(annotation)
    >>> int((kiwi & lemon).sum())
    1
    """
    shapes = self._open(annotation)
    view = view_of(self._plan, shapes, window, size=size, scale=scale, fill=fill, pad=pad)
    return _one_hot(self._plan, view, fill, out)


def _targets(plan: Plan, view: View, fill: int | None, out: NDArray[np.uint8] | None) -> Targets:
    """Paint every object that a view shows in a mask of its own."""
    table = plan.table_of(None)
    shapes = view.shapes
    extents, order = visible_shapes(plan, view, table)
    # The shapes of an object follow each other.
    first = np.flatnonzero(np.diff(shapes.object_index[order], prepend=-1))
    check_result(plan, view.shape, first.size)
    if fill is not None:
        fill_value(fill, np.dtype(np.uint8))  # is checked even if there is nothing to fill
    masks = _mask_room(out, (first.size, *view.shape))
    (rows, columns), (left, top) = view.inside, (view.inside[1].start, view.inside[0].start)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    boxes = np.empty((first.size, 4), np.int64)
    if first.size:
        boxes[:, :2] = np.minimum.reduceat(extents[:, :2], first)
        boxes[:, 2:] = np.maximum.reduceat(extents[:, 2:], first) + 1
        np.clip(boxes, 0, (width, height, width, height), out=boxes)
        if view.is_whole and masks.flags.c_contiguous:
            _paint_at_once(plan, view, masks, order, first, boxes)
        else:
            _paint_one_by_one(plan, view, fill, masks, np.split(order, first[1:]), boxes)
    labels = table[shapes.class_id[order[first]]].astype(np.int64)
    is_seen = boxes[:, 2] > 0
    if not is_seen.all():
        for to, kept in enumerate(np.flatnonzero(is_seen).tolist()):
            masks[to] = masks[kept]
        boxes, labels = boxes[is_seen], labels[is_seen]
        masks = masks[: len(boxes)]
    boxes += (left, top, left, top)
    return Targets(boxes=boxes.astype(np.float32), labels=labels, masks=masks)


def _paint_at_once(
    plan: Plan,
    view: View,
    masks: NDArray[np.uint8],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
    boxes: NDArray[np.int64],
) -> None:
    """Paint objects into masks of zeros, and make their boxes as small as what is painted."""
    layer = np.zeros(order.size, np.int64)
    layer[first[1:]] = 1
    paint_masks(
        view.shapes,
        np.ones(len(plan.classes), np.uint8),
        masks,
        order=order,
        layer=np.cumsum(layer),
        line_width=plan.line_width,
        corner=view.corner,
    )
    tighten_boxes(masks, boxes)


def _paint_one_by_one(
    plan: Plan,
    view: View,
    fill: int | None,
    masks: NDArray[np.uint8],
    objects: list[NDArray[np.int64]],
    boxes: NDArray[np.int64],
) -> None:
    """The same for masks that lie apart, or show more than the canvas."""
    ones = np.ones(len(plan.classes), np.uint8)
    for mask, order, box in zip(masks, objects, boxes, strict=True):
        inside = fill_around(view, mask, fill)
        paint_rows(plan, view.shapes, ones, inside, view.corner, order=order)
        x, y = box[:2].tolist()
        part = inside[y : box[3], x : box[2]]
        columns, rows = (np.flatnonzero(part.any(axis=axis)) for axis in (0, 1))
        box[:] = 0
        if rows.size:
            box[:] = x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1


def _one_hot(
    plan: Plan, view: View, fill: int | None, out: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Paint every class that a view shows in a mask of its own.

    One mask after the other is cleared and painted, while the processor has it at hand.
    """
    table = plan.table_of(None)
    labels = np.unique(table[table != 0])
    check_result(plan, view.shape, labels.size)
    made = array_for(out, (labels.size, *view.shape), np.bool_, any_rows=2)
    ones = np.ones(len(table), np.uint8)
    _, order = visible_shapes(plan, view, table)
    label_of_shape = table[view.shapes.class_id[order]]
    for label, mask in zip(labels, made, strict=True):
        inside = fill_around(view, mask, fill).view(np.uint8)
        if inside.size:
            shapes_of_it = order[label_of_shape == label]
            paint_rows(plan, view.shapes, ones, inside, view.corner, order=shapes_of_it)
    return made if out is None else out


def visible_shapes(
    plan: Plan, view: View, table: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Extents (k, 4) and numbers (k,) of the shapes that are painted and may reach into a view."""
    extents = extents_of(view.shapes, plan.line_width) - np.array(view.corner * 2)
    rows, columns = view.inside
    height, width = rows.stop - rows.start, columns.stop - columns.start
    left, top, right, bottom = extents.T
    reach = (left < width) & (top < height) & (right >= 0) & (bottom >= 0)
    reach &= height * width > 0  # else the canvas is out of sight
    order = np.flatnonzero(reach & (table[view.shapes.class_id] != 0))
    return extents[order], order


def _mask_room(out: NDArray[np.uint8] | None, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Masks of zeros: new ones, or the first ones of the caller's."""
    if out is None:
        return np.zeros(shape, np.uint8)  # pages that nothing is painted on are never touched
    if getattr(out, "ndim", 0) == 3:
        if len(out) < shape[0]:
            raise ValueError(f"out has room for {len(out)} masks, but {shape[0]} are needed")
        out = out[: shape[0]]
    masks: NDArray[np.uint8] = array_for(out, shape, np.uint8, any_rows=2)
    masks[:] = 0
    return masks
