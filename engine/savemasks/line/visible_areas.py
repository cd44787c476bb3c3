"""How many pixels of every object are seen: where it lies on top."""

from ..paint.numbering import Numbering, Seen
from ..scratch import Buffer, Scratch
from ..shapes import Shapes
from .drawings import Drawing, Labels
from .plan import Plan

STRIP_PIXELS = 1 << 20
"""How many pixels of a map are painted at once, where nobody needs it as a whole."""

_NUMBERS = Buffer("numbers of objects that are counted")


def visible_areas(plan: Plan, shapes: Shapes, table: Labels, scratch: Scratch) -> list[int]:
    """Pixels by an object's number, which is its position in the annotation's list from 1.

    Parameters
    ----------
    plan
        How shapes lie over each other.
    shapes
        Those of an annotation.
    table
        (classes,) label by class number; objects whose class has none are not painted.
    scratch
        Memory to paint in.
    """
    numbering = Numbering.of(shapes, table)
    seen = Seen(numbering.most)
    drawing = Drawing(
        shapes,
        numbering.table,
        _NUMBERS,
        plan.order(shapes),
        plan.line_width,
        key=shapes.object_index,
    )
    height = shapes.height
    strips = range(0, height, max(1, STRIP_PIXELS // shapes.width))
    for top, order in zip(strips, drawing.order_by_strip(strips), strict=True):
        rows = range(top, min(top + strips.step, height))
        seen.add(drawing.paint(scratch, rows, order), top)
    areas: list[int] = seen.areas.tolist()
    return areas
