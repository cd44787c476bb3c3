"""Objects by themselves: their numbers, the map that has them, and what is seen of each.

An object's number is its position in the annotation's list, from 1. It does not depend on which
other objects are painted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.seen import measure_numbers
from ..shapes import Shapes
from .labels import paint_labels

MOST_8_BIT, MOST_16_BIT = 255, 65_535
"""The largest numbers in maps of so many bits."""

_NOWHERE = (1 << 62, 1 << 62, -1, -1)


class PaintedObject(NamedTuple):
    """An object that is painted.

    Attributes
    ----------
    object_index
        Its position in the annotation's list, from 0.
    class_id
        Number of its class.
    first, last
        Its shapes: `first` to `last`, which is excluded.
    """

    object_index: int
    class_id: int
    first: int
    last: int

    @property
    def order(self) -> NDArray[np.int64]:
        """Its shapes, as `paint_labels` wants them."""
        return np.arange(self.first, self.last)


def painted_objects(shapes: Shapes, label_of_class: NDArray[Any]) -> list[PaintedObject]:
    """The objects whose class has a label that is not 0, in the annotation's order.

    Objects without any shape are not there.
    """
    index = shapes.object_index
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    lasts = np.append(starts[1:], len(index))[: len(starts)].tolist()
    class_ids = shapes.class_id[starts]
    rows = zip(index[starts].tolist(), class_ids.tolist(), starts.tolist(), lasts, strict=True)
    is_painted = (label_of_class[class_ids] != 0).tolist()
    return [PaintedObject(*row) for row, painted in zip(rows, is_painted, strict=True) if painted]


def paint_object(
    shapes: Shapes,
    painted: PaintedObject,
    out: NDArray[np.uint8],
    *,
    value: int = 255,
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint one object whole, whatever covers it, on 0; `out` and `corner` as in `paint_labels`."""
    table = _one(painted.class_id, value)
    paint_labels(shapes, table, out, order=painted.order, line_width=line_width, corner=corner)


def paint_class(
    shapes: Shapes,
    class_id: int,
    out: NDArray[np.uint8],
    *,
    value: int = 255,
    line_width: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Paint the union of a class's objects, whatever covers them, on 0."""
    order = np.flatnonzero(shapes.class_id == class_id)
    table = _one(class_id, value)
    paint_labels(shapes, table, out, order=order, line_width=line_width, corner=corner)


def _one(class_id: int, value: int) -> NDArray[np.uint8]:
    """A table of labels in which one class has one, for shapes of that class alone."""
    table = np.zeros(class_id + 1, np.uint8)
    table[class_id] = value
    return table


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """The numbers of an annotation's objects.

    Attributes
    ----------
    numbers
        (objects,) int32 by position in the list; 0 for what is not painted.
    most
        The largest of them.
    """

    numbers: NDArray[np.int32]
    most: int

    @classmethod
    def of(cls, shapes: Shapes, label_of_class: NDArray[Any]) -> "Numbering":
        """Number the objects whose class has a label that is not 0."""
        objects = shapes.object_index[label_of_class[shapes.class_id] != 0]
        numbers = np.zeros(int(np.max(shapes.object_index, initial=-1)) + 1, np.int32)
        numbers[objects] = objects + np.int32(1)
        return cls(numbers, int(numbers.max(initial=0)))

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16] | type[np.int32]:
        """The smallest dtype that the painter paints in and that holds all numbers."""
        if self.most <= MOST_16_BIT:
            return np.uint8 if self.most <= MOST_8_BIT else np.uint16
        return np.int32

    @property
    def table(self) -> NDArray[np.integer[Any]]:
        """The numbers in the dtype of the map."""
        return self.numbers.astype(self.dtype)

    def paint(
        self,
        shapes: Shapes,
        out: NDArray[Any],
        *,
        order: NDArray[np.int64] | None = None,
        line_width: int = 1,
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Paint the map; the other arguments are those of `paint_labels`.

        Parameters
        ----------
        out
            (height, width) of `dtype`, C-contiguous.
        """
        table, key = self.table, shapes.object_index
        paint_labels(shapes, table, out, key=key, order=order, line_width=line_width, corner=corner)


@dataclass(slots=True, eq=False)
class Seen:
    """What is seen of every object in a map, which may be added in strips.

    Attributes
    ----------
    most
        The largest number in the map.
    areas
        (most + 1,) int64: pixels by number.
    boxes
        (most + 1, 4) int64: left, top, right and bottom by number, the latter two excluded; only
        of use where there are pixels.
    """

    most: int
    areas: NDArray[np.int64] = field(init=False)
    boxes: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.areas = np.zeros(self.most + 1, np.int64)
        self.boxes = np.tile(np.array(_NOWHERE), (self.most + 1, 1))

    def add(self, numbers: NDArray[Any], top: int = 0) -> None:
        """Add rows of a map, of which `top` is the first; no number may be above `most`."""
        measure_numbers(numbers, top, self.areas, self.boxes)

    def __iter__(self) -> Iterator[tuple[int, int, list[int] | None]]:
        """Number, pixels, and [x, y, width, height] or None without any, number after number."""
        rows = zip(self.areas.tolist(), self.boxes.tolist(), strict=True)
        for number, (area, (left, top, right, bottom)) in enumerate(rows):
            if number:
                yield number, area, [left, top, right - left, bottom - top] if area else None
