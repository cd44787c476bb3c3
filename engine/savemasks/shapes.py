"""`Shapes`: the objects of one annotation as flat arrays. The layout is explained here, once.

A *shape* is something that the painter knows how to fill: a polygon, a rectangle, a line, a point
or a bitmap. An object of the annotation becomes one shape or several that are painted one after
the other; `object_index` tells which object a shape came from.

Ragged data are coordinates and offsets::

    shape i      rings     ring[i] .. ring[i + 1]
    ring j       vertices  vertex[j] .. vertex[j + 1]
    vertex k     x, y      xy[k]

    POLYGON      the first ring is the exterior, the others are its holes
    FACE         one ring; as a polygon, but a side of a solid, whose sides may overlap
    RECTANGLE    one ring of two opposite corners, both included
    LINE         one ring: an open chain of vertices
    POINT        one ring of one vertex
    BITMAP       one ring of one vertex, its top left corner; its mask is number payload[i]

    mask b       bits_shape[b] = height, width
                 bits[bits_start[b] : bits_start[b + 1]] = rows of ceil(width / 8) bytes,
                 leftmost pixel in the highest bit

Coordinates are pixels, already floored; (0, 0) is the top left pixel. They may lie anywhere within
`COORDINATE_LIMIT`: what leaves the canvas is cut while it is painted, never before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

POLYGON = 0
RECTANGLE = 1
LINE = 2
POINT = 3
BITMAP = 4
FACE = 5

COORDINATE_LIMIT = 1_000_000_000
"""Largest magnitude of a coordinate in pixels; the kernels' 64-bit products rely on it."""


def _are_same(first: object, second: object) -> bool:
    """Whether two objects of one dataclass hold the same; NaN equals NaN."""
    for each in fields(first):  # type: ignore[arg-type]
        left, right = getattr(first, each.name), getattr(second, each.name)
        if isinstance(left, np.ndarray):
            same = left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
        else:
            same = left == right
        if not same:
            return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The bitmaps of one annotation, one bit a pixel.

    Attributes
    ----------
    start
        (b + 1,) int64, offsets into `bits`.
    shape
        (b, 2) int64, height and width of each mask.
    bits
        (bytes,) uint8, the rows of all masks.
    """

    start: NDArray[np.int64]
    shape: NDArray[np.int64]
    bits: NDArray[np.uint8]

    def __eq__(self, other: object) -> bool:
        return _are_same(self, other) if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of all that holds arrays


@dataclass(slots=True, eq=False, repr=False)  # not frozen: that would take two microseconds each
class Shapes:
    """All paintable objects of one annotation, in the order of its list.

    They come from `Painter.parse` and are never changed afterwards. The painter relies on what is
    said here of the arrays: it does not look for offsets that lead nowhere.

    Attributes
    ----------
    height, width
        The canvas in pixels.
    kind
        (n,) uint8: POLYGON, RECTANGLE, LINE, POINT, BITMAP or FACE.
    class_id
        (n,) int32: number of the shape's class in the table that the parser was given.
    object_index
        (n,) int32: position of its object in the annotation.
    area
        (n,) float64: pixels that the shape counts for where areas decide the order, NaN for its
        own.
    ring, vertex, xy
        (n + 1,) and (r + 1,) int64 offsets, (v, 2) int32 coordinates.
    payload
        (n,) int32: number of the bitmap's mask, -1 for the other kinds.
    masks
        The bitmaps.
    geometries
        How many objects the annotation has of each geometry, paintable or not.
    unsupported
        How many of them are of a geometry that this version does not paint.
    classes
        The table that the parser was given: number of every class; empty if it is not known.
    unknown_classes
        How many objects are of a class that neither this table nor meta.json names, by its title.
        They are not painted, and mostly a title that was misspelt.
    missing_edges
        How many graphs, by the title of their class, were painted as nodes alone, because no
        meta.json says which nodes of the class are joined.

    Examples
    --------
    >>> shapes = painter.parse(annotation)
    >>> shapes.kind == RECTANGLE
    array([ True,  True])
    >>> shapes.xy.tolist()
    [[1, 1], [3, 2], [3, 2], [4, 3]]
    """

    height: int
    width: int
    kind: NDArray[np.uint8]
    class_id: NDArray[np.int32]
    object_index: NDArray[np.int32]
    area: NDArray[np.float64]
    ring: NDArray[np.int64]
    vertex: NDArray[np.int64]
    xy: NDArray[np.int32]
    payload: NDArray[np.int32]
    masks: Masks
    geometries: dict[str, int]
    unsupported: dict[str, int]
    classes: Mapping[str, int] = field(default_factory=dict)
    unknown_classes: dict[str, int] = field(default_factory=dict)
    missing_edges: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kind)

    def __eq__(self, other: object) -> bool:
        return _are_same(self, other) if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of all that holds arrays

    def __repr__(self) -> str:
        objects = sum(self.geometries.values())
        return f"<Shapes: {len(self)} of {objects} objects on {self.width} x {self.height} pixels>"

    def __sizeof__(self) -> int:
        """Bytes, those of the arrays included, for `sys.getsizeof` and who asks it."""
        return object.__sizeof__(self) + sum(array.nbytes for array in self._arrays())

    def _arrays(self) -> Iterator[NDArray[Any]]:
        for holder in (self, self.masks):
            for each in fields(holder):
                if isinstance(value := getattr(holder, each.name), np.ndarray):
                    yield value
