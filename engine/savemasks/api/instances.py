"""Maps of instances: every object in a number of its own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..line.plan import Mask
from ..shapes import Shapes
from .arguments import Annotation, Window, array_for
from .protocols import Opening
from .views import Pad, Size, paint_view, view_of


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
    int32, as -1.

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
    table = self._plan.table_of(mask)
    shapes = self._open(annotation)
    view = view_of(self._plan, shapes, window, size=size, scale=scale, fill=fill, pad=pad)
    made = array_for(out, view.shape, np.int32, any_rows=1)
    is_painted = table[shapes.class_id] != 0
    objects = shapes.object_index[is_painted]
    numbers = np.zeros(int(np.max(shapes.object_index, initial=-1)) + 1, np.int32)
    numbers[objects] = objects + np.int32(1)
    paint_view(self._plan, view, numbers, made, fill=fill, key=shapes.object_index)
    titles = self._plan.titles
    pairs = zip(objects.tolist(), shapes.class_id[is_painted].tolist(), strict=True)
    classes = {number + 1: titles[class_id] for number, class_id in pairs}
    return Instances(made if out is None else out, classes)
