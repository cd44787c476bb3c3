"""How large the objects and classes of an annotation are."""

from typing import NamedTuple

from ..line.plan import Mask
from ..line.visible_areas import visible_areas
from ..paint.numbering import painted_objects
from ..scratch import own_scratch
from ..shapes import Shapes
from .arguments import Annotation
from .instances import own_table
from .object_masks import objects_of
from .protocols import Opening
from .views import view_of


class ObjectStatistics(NamedTuple):
    """How large an object is.

    Attributes
    ----------
    title
        Its class.
    number
        Its position in the annotation's list, from 1, as in maps of instances.
    visible
        Pixels where it lies on top.
    area
        All of its pixels on the canvas, whatever covers them.
    box
        x, y, width and height around these, None without any.
    """

    title: str
    number: int
    visible: int
    area: int
    box: tuple[int, int, int, int] | None


class ClassStatistics(NamedTuple):
    """How often a class occurs.

    Attributes
    ----------
    objects
        How many objects it has, also without a pixel on the canvas.
    pixels
        Where one of these lies on top: its pixels in the label map.
    """

    objects: int
    pixels: int


class Statistics(NamedTuple):
    """What `Painter.statistics` counts.

    Attributes
    ----------
    objects
        Every object that is painted, in the annotation's order.
    classes
        Every class that has one, in the order of the layer's classes.
    """

    objects: list[ObjectStatistics]
    classes: dict[str, ClassStatistics]


def statistics(
    self: Opening, annotation: Annotation | Shapes, *, mask: Mask | None = None
) -> Statistics:
    """Count the pixels of every object and every class.

    Parameters
    ----------
    annotation
        What to count, in strips and object by object: there is no map of the whole canvas.
    mask
        Whose classes, as for `objects`.

    Returns
    -------
    Statistics
        Its `objects` and its `classes`. Objects that others cover entirely are there, and so are
        those that lie beyond the canvas.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    ValueError
        If the layer does not request the mask.

    Examples
    --------
    >>> found = painter.statistics(annotation)
    >>> found.objects[0]
    ObjectStatistics(title='kiwi', number=1, visible=5, area=6, box=(1, 1, 3, 2))
    >>> found.classes["lemon"]
    ClassStatistics(objects=1, pixels=4)
    """
    plan = self._plan
    table = own_table(plan, mask)
    shapes = self._open(annotation)
    scratch = own_scratch()
    visible = visible_areas(plan, shapes, table, scratch)
    scratch.forget_large()
    found = objects_of(plan, view_of(plan, shapes, None), table)
    whole = {each.number: (each.area, each.box) for each in found}
    objects = []
    for painted in painted_objects(shapes, table):
        number, title = painted.object_index + 1, plan.titles[painted.class_id]
        area, box = whole.get(number, (0, None))
        objects.append(ObjectStatistics(title, number, visible[number], area, box))
    labels = {plan.titles[i]: label for i, label in enumerate(table.tolist()) if label}
    classes: dict[str, ClassStatistics] = {}
    for each in sorted(objects, key=lambda each: labels[each.title]):
        count, pixels = classes.get(each.title, (0, 0))
        classes[each.title] = ClassStatistics(count + 1, pixels + each.visible)
    return Statistics(objects, classes)
