"""Objects and classes by themselves, whatever covers them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.extents import tighten_boxes
from ..line.drawings import Labels
from ..line.plan import Mask, Plan
from ..shapes import Shapes
from .arguments import Annotation, Window
from .instances import own_table
from .protocols import Opening
from .training import visible_shapes
from .views import Size, View, check_result, paint_rows, view_of


class ObjectMask(NamedTuple):  # noqa: PLW1641  (what holds arrays has no hash)
    """An object whole, whatever covers it.

    Attributes
    ----------
    title
        Its class.
    number
        Its position in the annotation's list, from 1, as in maps of instances.
    x, y
        The left top pixel of its bounding box, on the canvas or in the window.
    width, height
        Of the box, which is as small as it can be.
    mask
        (height, width) bool: what of the box is the object.

    Examples
    --------
    >>> kiwi, lemon = painter.objects(annotation)
    >>> lemon.title, lemon.number, lemon.box
    ('lemon', 2, (3, 2, 2, 2))
    >>> canvas = np.zeros((4, 6), bool)
    >>> canvas[lemon.part] |= lemon.mask
    """

    title: str
    number: int
    x: int
    y: int
    width: int
    height: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The bounding box: x, y, width, height, as COCO has it."""
        return self.x, self.y, self.width, self.height

    @property
    def part(self) -> tuple[slice, slice]:
        """The box as an index of arrays (height, width) of the canvas or the window."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.mask))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectMask):
            return NotImplemented
        return self[:-1] == other[:-1] and np.array_equal(self.mask, other.mask)

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other


def objects(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    mask: Mask | None = None,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
) -> Iterator[ObjectMask]:
    """Paint the objects one by one, each whole and no larger than its box.

    Parameters
    ----------
    annotation
        What to paint.
    mask
        Whose classes: those of the machine or of the human mask. By default those of
        `masks_instances` and `masks_classes` if the layer requests them, else as for `labels`.
    window, size, scale
        As for `labels`; boxes are in pixels of the result.

    Returns
    -------
    Iterator of ObjectMask
        In the annotation's order, without objects that have no pixel in what is shown. Each is
        painted when its turn comes; arguments and annotation are checked at once.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit, or the layer does not request the mask.

    Examples
    --------
    >>> for each in painter.objects(annotation):
    ...     print(each.title, each.box, each.area)
    kiwi (1, 1, 3, 2) 6
    lemon (3, 2, 2, 2) 4
    """
    table = own_table(self._plan, mask)
    shapes = self._open(annotation)
    view = view_of(self._plan, shapes, window, size=size, scale=scale)
    return objects_of(self._plan, view, table)


def objects_of(plan: Plan, view: View, table: Labels) -> Iterator[ObjectMask]:
    """Paint the objects of a view whose class has a label in a table; the view has no margins."""
    extents, order = visible_shapes(plan, view, table)
    index, class_id = view.shapes.object_index[order], view.shapes.class_id[order]
    ones = np.ones(len(table), np.uint8)
    starts = np.flatnonzero(np.diff(index, prepend=-1))  # an object's shapes follow each other
    height, width = view.shape
    for first, last in pairwise([*starts.tolist(), len(order)]):
        left, top = np.maximum(extents[first:last, :2].min(axis=0), 0).tolist()
        right, bottom = extents[first:last, 2:].max(axis=0).tolist()
        shape = min(bottom, height - 1) + 1 - top, min(right, width - 1) + 1 - left
        room = np.empty(shape, np.uint8)
        corner = view.corner[0] + left, view.corner[1] + top
        paint_rows(plan, view.shapes, ones, room, corner, order=order[first:last])
        box = np.array([[0, 0, shape[1], shape[0]]])
        tighten_boxes(room[np.newaxis], box)
        x, y, x_end, y_end = box[0].tolist()
        if x_end:
            mask = np.ascontiguousarray(room[y:y_end, x:x_end]).view(np.bool_)
            yield ObjectMask(
                plan.titles[class_id[first]],
                int(index[first]) + 1,
                left + x,
                top + y,
                x_end - x,
                y_end - y,
                mask,
            )


def classes_of(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    mask: Mask | None = None,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
) -> dict[str, NDArray[np.bool_]]:
    """Paint every class that occurs in a mask of its own, whatever covers its objects.

    Parameters are those of `objects`. `one_hot` has all classes in one array.

    Returns
    -------
    dict
        Mask by class, (height, width) bool: where any of its objects is. Classes without a pixel
        in what is shown are not there. They have the order of the layer's classes.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit, or the layer does not request the mask.

    Examples
    --------
    >>> masks = painter.classes_of(annotation)
    >>> [*masks], int((masks["kiwi"] & masks["lemon"]).sum())
    (['kiwi', 'lemon'], 1)
    """
    plan = self._plan
    table = own_table(plan, mask)
    view = view_of(plan, self._open(annotation), window, size=size, scale=scale)
    _, order = visible_shapes(plan, view, table)
    class_id = view.shapes.class_id[order]
    numbers: dict[str, list[int]] = {}  # several classes of the source may have become one
    for number in sorted(np.unique(class_id).tolist(), key=lambda number: int(table[number])):
        numbers.setdefault(plan.titles[number], []).append(number)
    check_result(plan, view.shape, len(numbers))
    ones = np.ones(len(table), np.uint8)
    found = {}
    for title, own in numbers.items():
        room = np.empty(view.shape, np.uint8)
        some = order[np.isin(class_id, own)]
        paint_rows(plan, view.shapes, ones, room, view.corner, order=some)
        if room.any():
            found[title] = room.view(np.bool_)
    return found
