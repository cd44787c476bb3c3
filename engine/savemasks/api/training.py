"""What detection and segmentation models are trained on, made of one annotation."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.extents import tighten_boxes
from ..line.plan import Labels, Plan
from ..paint.labels import extents_of, paint_labels, paint_masks
from ..shapes import Shapes
from .arguments import Annotation, Window, array_for
from .protocols import Opening
from .views import Size, View, view_of


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
    out: NDArray[np.uint8] | None = None,
) -> Targets:
    """Paint what torchvision's detection models are trained on: boxes, labels and masks.

    Every object has a mask of its own, whatever covers it. Objects without a pixel in the
    window are left out.

    Parameters
    ----------
    annotation, window, size
        As for `labels`; boxes are pixels of the result.
    out
        Where to write masks, (capacity, height, width) uint8, C-contiguous, with room for the
        objects that may reach into the window. `masks` are then the first of it.

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
    shapes, *_ = self._open(annotation, None)
    return _targets(self._plan, view_of(shapes, window, size=size), out)


def one_hot(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    window: Window | None = None,
    size: Size | None = None,
    out: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Paint every class in a mask of its own, so that classes may overlap.

    Parameters
    ----------
    annotation, window, size
        As for `labels`.
    out
        Where to write, C-contiguous.

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
    shapes, *_ = self._open(annotation, None)
    return _one_hot(self._plan, view_of(shapes, window, size=size), out)


def _targets(plan: Plan, view: View, out: NDArray[np.uint8] | None) -> Targets:
    """Paint every object that a view shows in a mask of its own."""
    table = plan.table_of(None)
    shapes = view.shapes
    extents, order = _visible(plan, view, table)
    # The shapes of an object follow each other.
    is_first = np.diff(shapes.object_index[order], prepend=-1) != 0
    first = np.flatnonzero(is_first)
    masks = _mask_room(out, (first.size, *view.shape))
    if first.size == 0:
        return Targets(
            boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int64), masks=masks
        )
    paint_masks(
        shapes,
        np.ones(len(table), np.uint8),
        masks,
        order=order,
        layer=np.cumsum(is_first) - 1,
        line_width=plan.line_width,
        corner=view.corner,
    )
    boxes = np.empty((first.size, 4), np.int64)
    boxes[:, :2] = np.minimum.reduceat(extents[:, :2], first)
    boxes[:, 2:] = np.maximum.reduceat(extents[:, 2:], first) + 1
    height, width = view.shape
    np.clip(boxes, 0, (width, height, width, height), out=boxes)
    tighten_boxes(masks, boxes)
    labels = table[shapes.class_id[order[first]]].astype(np.int64)
    is_seen = boxes[:, 2] > 0
    if not is_seen.all():
        for to, kept in enumerate(np.flatnonzero(is_seen).tolist()):
            masks[to] = masks[kept]
        boxes, labels = boxes[is_seen], labels[is_seen]
        masks = masks[: len(boxes)]
    return Targets(boxes=boxes.astype(np.float32), labels=labels, masks=masks)


def _one_hot(plan: Plan, view: View, out: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Paint every class that a view shows in a mask of its own.

    One mask after the other is cleared and painted, while the processor has it at hand.
    """
    table = plan.table_of(None)
    labels = np.unique(table[table != 0])
    made = array_for(out, (labels.size, *view.shape), np.bool_)
    ones = np.ones(len(table), np.uint8)
    _, order = _visible(plan, view, table)
    label_of_shape = table[view.shapes.class_id[order]]
    for label, mask in zip(labels, made.view(np.uint8), strict=True):
        shapes_of_it = order[label_of_shape == label]
        paint_labels(
            view.shapes,
            ones,
            mask,
            order=shapes_of_it,
            line_width=plan.line_width,
            corner=view.corner,
        )
    return made if out is None else out


def _visible(plan: Plan, view: View, table: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Extents (k, 4) and numbers (k,) of the shapes that are painted and may reach into a view."""
    extents = extents_of(view.shapes, plan.line_width) - np.array(view.corner * 2)
    height, width = view.shape
    left, top, right, bottom = extents.T
    reach = (left < width) & (top < height) & (right >= 0) & (bottom >= 0)
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
    masks: NDArray[np.uint8] = array_for(out, shape, np.uint8)
    masks[:] = 0
    return masks
