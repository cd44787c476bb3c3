"""Maps of instances: every object in a number of its own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..line.drawings import Labels
from ..line.plan import Mask, Plan
from ..paint.numbering import Numbering
from ..shapes import Shapes
from .arguments import Annotation, Window, array_for
from .protocols import Opening
from .views import Pad, Size, View, paint_view, view_of


class Instances(NamedTuple):  # noqa: PLW1641  (what holds arrays has no hash)
    """The objects of an annotation as a map.

    Attributes
    ----------
    numbers
        (height, width) int32: position of the topmost object in the annotation's list, counted
        from 1; 0 where there is none.
    classes
        Class of every object that is painted, by that number; objects that are covered entirely
        are there as well.

    Examples
    --------
    >>> numbers, classes = painter.instances(annotation)
    >>> [(classes[number], int((numbers == number).sum())) for number in classes]
    [('kiwi', 5), ('lemon', 4)]
    """

    numbers: NDArray[np.int32]
    classes: dict[int, str]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Instances):
            return NotImplemented
        return self.classes == other.classes and np.array_equal(self.numbers, other.numbers)

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other


def instances(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    mask: Mask | None = None,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: int | None = None,
    pad: Pad = 0,
    out: NDArray[np.int32] | None = None,
) -> Instances:
    """Paint every object in a number of its own: its place in the list, from 1.

    Parameters are those of `labels`; a pixel has a number where `labels` has a label. `fill` is any
    int32, as -1. If the layer requests `masks_instances` or `masks_classes`, the objects are by
    default those that have masks there.

    Returns
    -------
    Instances
        (height, width) int32, and the class of every object.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If `out` or `window` does not fit, or the layer does not request the mask.

    Examples
    --------
    >>> numbers, classes = painter.instances(annotation)
    >>> classes
    {1: 'kiwi', 2: 'lemon'}
    >>> numbers[2].tolist()
    [0, 1, 1, 2, 2, 0]
    """
    table = own_table(self._plan, mask)
    shapes = self._open(annotation)
    view = view_of(self._plan, shapes, window, size=size, scale=scale, fill=fill, pad=pad)
    made = array_for(out, view.shape, np.int32, any_rows=1)
    paint_numbers(self._plan, view, table, made, fill=fill)
    is_painted = table[shapes.class_id] != 0
    objects = shapes.object_index[is_painted]
    titles = self._plan.titles
    pairs = zip(objects.tolist(), shapes.class_id[is_painted].tolist(), strict=True)
    classes = {number + 1: titles[class_id] for number, class_id in pairs}
    return Instances(made if out is None else out, classes)


def own_table(plan: Plan, mask: Mask | None) -> Labels:
    """Label by class number, of classes whose objects are looked at by themselves; 0 for others.

    They are those of a mask; by default those of `masks_instances` and `masks_classes`, if the
    layer requests these, else those of the label map. Raises `ValueError` as `Plan.table_of`.
    """
    if mask is None and plan.own_table is not None:
        return plan.own_table
    return plan.table_of(mask)


def paint_numbers(
    plan: Plan, view: View, table: Labels, made: NDArray[np.int32], *, fill: int | None
) -> None:
    """Paint every object of a view in its number, if a table has a label for its class."""
    index = view.shapes.object_index
    numbers = Numbering.of(view.shapes, table).numbers
    paint_view(plan, view, numbers, made, fill=fill, key=index)
