"""`Drawing`: how one label map of one annotation is painted, whole or strip by strip.

A label map says of every pixel what is on top there: a class, or an object. Masks and pages are
made of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..paint.bins import shapes_by_strip
from ..paint.labels import paint_labels
from ..paint.numbering import Numbering, PaintedObject
from ..paint.outlines import outline_width, outlined
from ..scratch import Buffer, Scratch
from ..shapes import Shapes

if TYPE_CHECKING:
    from .plan import Plan

Labels = NDArray[np.unsignedinteger[Any]]
Kind = Literal[
    "machine", "human", "semantic", "visualize", "instances", "seen", "object", "class", "own"
]


class Motif(NamedTuple):
    """What a label map shows.

    Attributes
    ----------
    kind
        - "machine", "human", "semantic": the classes of these masks
        - "visualize": those of the page of a `save` layer, which strokes outlines
        - "instances": the numbers of the objects that have masks by themselves
        - "seen": those of the objects in the human mask, for outlines
        - "object", "class": one of them, whatever covers it
        - "own": all classes that have masks by themselves
    which
        The object; for a class, its label in the plan's `own_table`.
    """

    kind: Kind
    which: PaintedObject | int | None = None


MACHINE, HUMAN, SEMANTIC, VISUALIZE = (
    Motif("machine"), Motif("human"), Motif("semantic"), Motif("visualize")
)  # fmt: skip
INSTANCES, SEEN, OWN = Motif("instances"), Motif("seen"), Motif("own")

_BUFFERS: Mapping[Kind, Buffer] = {
    "machine": Buffer("labels of the machine mask"),
    "human": Buffer("labels of the human mask"),
    "semantic": Buffer("labels of the semantic mask"),
    "visualize": Buffer("labels of the page of a save layer"),
    "instances": Buffer("numbers of objects"),
    "seen": Buffer("numbers of objects in the human mask"),
    "object": Buffer("one object"),
    "class": Buffer("one class"),
    "own": Buffer("labels of classes that have masks by themselves"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """How one label map of one annotation is painted.

    Attributes
    ----------
    shapes
        What to paint.
    table
        (keys,) label by class number, or by what `key` has.
    buffer
        The scratch memory that receives it.
    order
        Numbers of the shapes from the lowest to the topmost, None if that is as listed.
    line_width
        Thickness of lines in pixels.
    background
        Label of what no shape covers.
    key
        (n,) what of the table every shape is painted in; None for its class.
    """

    shapes: Shapes
    table: NDArray[np.integer[Any]]
    buffer: Buffer
    order: NDArray[np.int64] | None = None
    line_width: int = 1
    background: int = 0
    key: NDArray[np.int32] | None = None

    def order_by_strip(self, strips: range) -> Iterator[NDArray[np.int64]]:
        """For `paint`, the order of strip after strip; `strips` are their first rows."""
        return shapes_by_strip(self.shapes, strips, line_width=self.line_width, order=self.order)

    def paint(
        self,
        scratch: Scratch,
        rows: range | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> NDArray[Any]:
        """Paint the map, or some rows of it; `order` must have all shapes that touch them."""
        rows = range(self.shapes.height) if rows is None else rows
        out: NDArray[Any] = scratch.take(
            self.buffer, (len(rows), self.shapes.width), self.table.dtype
        )
        paint_labels(
            self.shapes,
            self.table,
            out,
            key=self.key,
            order=self.order if order is None else order,
            line_width=self.line_width,
            corner=(0, rows.start),
            background=self.background,
        )
        return out


def drawing(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    """How a plan paints a label map of an annotation."""
    return _DRAWINGS[motif.kind](plan, motif, shapes)


def _of_mask(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    mask: Literal["machine", "human"] = "machine" if motif.kind == "machine" else "human"
    order = plan.order(shapes) if mask == "machine" else plan.human_order(shapes)
    return Drawing(
        shapes,
        plan.table_of(mask),
        _BUFFERS[mask],
        order,
        plan.line_width,
        plan.background_of(mask),
    )


def _semantic(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    assert plan.semantic_table is not None
    assert plan.semantic_palette is not None
    return Drawing(
        shapes,
        plan.semantic_table,
        _BUFFERS[motif.kind],
        plan.order_as_listed(shapes),
        plan.line_width,
        plan.background_in(plan.semantic_palette),
    )


def _visualized(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    """Outlines in the classes' colours; a background is a frame below them."""
    width = outline_width(shapes.height, shapes.width)
    table, background = plan.table_of("human"), plan.background_of("human")
    frame = table.size if background else None
    table = np.append(table, table.dtype.type(background))
    return Drawing(outlined(shapes, frame), table, _BUFFERS[motif.kind], line_width=width)


def _numbered(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    is_human = motif.kind == "seen"
    table = plan.table_of("human") if is_human else _own_table(plan)
    order = plan.human_order(shapes) if is_human else plan.order(shapes)
    numbering = Numbering.of(shapes, table)
    return Drawing(
        shapes,
        numbering.table,
        _BUFFERS[motif.kind],
        order,
        plan.line_width,
        key=shapes.object_index,
    )


def _own(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    order, buffer = plan.order(shapes), _BUFFERS[motif.kind]
    return Drawing(shapes, _own_table(plan), buffer, order, plan.line_width)


def _one_object(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    assert isinstance(motif.which, PaintedObject)
    ones = np.ones(len(plan.classes), np.uint8)
    return Drawing(shapes, ones, _BUFFERS[motif.kind], motif.which.order, plan.line_width)


def _one_class(plan: "Plan", motif: Motif, shapes: Shapes) -> Drawing:
    is_it = _own_table(plan) == motif.which
    order = np.flatnonzero(is_it[shapes.class_id])
    table = is_it.astype(np.uint8)
    background = int(motif.which in plan.own_backgrounds)  # which covers the whole picture
    return Drawing(shapes, table, _BUFFERS[motif.kind], order, plan.line_width, background)


def _own_table(plan: "Plan") -> Labels:
    assert plan.own_table is not None
    return plan.own_table


_DRAWINGS: Mapping[Kind, Callable[["Plan", Motif, Shapes], Drawing]] = {
    "machine": _of_mask,
    "human": _of_mask,
    "semantic": _semantic,
    "visualize": _visualized,
    "instances": _numbered,
    "seen": _numbered,
    "object": _one_object,
    "class": _one_class,
    "own": _own,
}
