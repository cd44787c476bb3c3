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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

    @classmethod
    def from_arrays(
        cls,
        size: tuple[int, int],
        kind: ArrayLike,
        class_id: ArrayLike,
        xy: ArrayLike,
        *,
        vertex: ArrayLike,
        ring: ArrayLike | None = None,
        object_index: ArrayLike | None = None,
        masks: Sequence[NDArray[Any]] = (),
        classes: Mapping[str, int],
    ) -> "Shapes":
        """Make shapes of your own arrays, for programs that have no JSON. All of it is checked.

        Parameters
        ----------
        size
            Height and width of the canvas in pixels.
        kind
            (n,) of every shape: POLYGON 0, RECTANGLE 1, LINE 2, POINT 3, BITMAP 4 or FACE 5.
        class_id
            (n,) number of its class in `classes`.
        xy
            (v, 2) vertices in pixels; fractions are floored, as those of annotations.
        vertex
            (r + 1,) offsets: ring j has the vertices vertex[j] to vertex[j + 1].
        ring
            (n + 1,) offsets: shape i has the rings ring[i] to ring[i + 1]. By default one each.
        object_index
            (n,) number of the object that it is part of, never falling. By default one each.
        masks
            A mask (height, width) of bool for every BITMAP, in their order.
        classes
            The table of the painter: `painter.classes`.

        Raises
        ------
        TypeError
            If an array has a dtype that cannot be used, or `classes` is no table.
        ValueError
            If offsets, numbers or vertices are not as said. The message names the place.

        Examples
        --------
        >>> square = [[1, 1], [3, 1], [3, 3], [1, 3]]
        >>> shapes = savemasks.Shapes.from_arrays(
        ...     (5, 5), [0], [painter.classes["lemon"]], square, vertex=[0, 4],
        ...     classes=painter.classes,
        ... )
        >>> painter.labels(shapes)[2].tolist()
        [0, 2, 2, 2, 0]
        """
        height, width = _canvas(size)
        kinds = _whole_numbers("kind", kind, np.uint8, 0, FACE)
        count = kinds.size
        if not isinstance(classes, Mapping):
            raise TypeError(f"classes must be a mapping, not {type(classes).__name__}")
        if object_index is None:
            object_index = np.arange(count)
        if ring is None:
            ring = np.arange(count + 1)
        points = _pixels(xy)
        vertices = _offsets("vertex", vertex, len(points))
        rings = _offsets("ring", ring, vertices.size - 1)
        made = cls(
            height=height,
            width=width,
            kind=kinds,
            class_id=_whole_numbers("class_id", class_id, np.int32, 0, len(classes) - 1),
            object_index=_whole_numbers("object_index", object_index, np.int32, 0, _LARGEST),
            area=np.full(count, np.nan),
            ring=rings,
            vertex=vertices,
            xy=points,
            payload=np.where(kinds == BITMAP, np.cumsum(kinds == BITMAP) - 1, -1).astype(np.int32),
            masks=_packed(masks),
            geometries={},
            unsupported={},
            classes=dict(classes),
        )
        _check(made)
        return made


_LARGEST = (1 << 31) - 2  # numbers of instances are one more than those of objects


def _canvas(size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(index, size)
    except (TypeError, ValueError):
        raise TypeError(f"size must be two whole numbers (height, width), not {size!r}") from None
    if not (0 < height <= COORDINATE_LIMIT and 0 < width <= COORDINATE_LIMIT):
        raise ValueError(f"size {size!r}: height and width must be from 1 to {COORDINATE_LIMIT}")
    return height, width


def _whole_numbers(name: str, given: ArrayLike, dtype: type[Any], low: int, high: int) -> Any:
    """A new array (n,) of a dtype; every number must be from `low` to `high`."""
    array = np.asarray(given)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, dtype)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have the shape (n,), not {array.shape}")
    wrong = np.flatnonzero((array < low) | (array > high))
    if wrong.size:
        raise ValueError(
            f"{name}[{wrong[0]}] is {array[wrong[0]]}, but must be from {low} to {high}"
        )
    return array.astype(dtype)


def _offsets(name: str, given: ArrayLike, last: int) -> NDArray[np.int64]:
    """Offsets that begin with 0, rise at every step and end with `last`."""
    array: NDArray[np.int64] = _whole_numbers(name, given, np.int64, 0, last)
    if array.size == 0 or array[0] != 0 or array[-1] != last:
        raise ValueError(f"{name} must begin with 0 and end with {last}")
    flat = np.flatnonzero(np.diff(array) < 1)
    if flat.size:
        raise ValueError(f"{name}[{flat[0] + 1}] must be above {name}[{flat[0]}]")
    return array


def _pixels(given: ArrayLike) -> NDArray[np.int32]:
    array = np.asarray(given)
    if array.size == 0:
        return np.zeros((0, 2), np.int32)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"xy must be numbers, not {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"xy must have the shape (v, 2), not {array.shape}")
    floored = np.floor(array.astype(np.float64)) if array.dtype.kind == "f" else array
    # Written so that NaN counts as too far away.
    near = (floored >= -COORDINATE_LIMIT) & (floored <= COORDINATE_LIMIT)
    if not near.all():
        at = int(np.flatnonzero(~near.all(axis=1))[0])
        raise ValueError(
            f"xy[{at}] is {array[at].tolist()}, but must be within {COORDINATE_LIMIT} pixels of"
            " the origin"
        )
    return floored.astype(np.int32)


def _packed(masks: Sequence[NDArray[Any]]) -> Masks:
    """Bitmaps of one bit a pixel."""
    arrays = [np.asarray(mask) for mask in masks]
    for number, mask in enumerate(arrays):
        if mask.dtype != np.bool_ or mask.ndim != 2:
            raise TypeError(f"masks[{number}] must be an array (height, width) of bool")
        if mask.size == 0:
            raise ValueError(f"masks[{number}] is empty: its shape is {mask.shape}")
    bits = [np.packbits(mask, axis=1).ravel() for mask in arrays]
    return Masks(
        np.cumsum([0, *(part.size for part in bits)], dtype=np.int64),
        np.array([mask.shape for mask in arrays], np.int64).reshape(-1, 2),
        np.concatenate([np.zeros(0, np.uint8), *bits]),
    )


def _check(shapes: Shapes) -> None:
    """Raise `ValueError` unless every shape has what its kind needs."""
    kind, count = shapes.kind, len(shapes)
    for name, length, wanted in (
        ("class_id", shapes.class_id.size, count),
        ("object_index", shapes.object_index.size, count),
        ("ring", shapes.ring.size, count + 1),
        ("masks", len(shapes.masks.shape), int(np.count_nonzero(kind == BITMAP))),
    ):
        if length != wanted:
            raise ValueError(f"{name} must have {wanted} entries for {count} shapes, not {length}")
    falling = np.flatnonzero(np.diff(shapes.object_index) < 0)
    if falling.size:
        raise ValueError(f"object_index[{falling[0] + 1}] is below the one before it")
    rings = np.diff(shapes.ring)
    vertices = np.diff(shapes.vertex)[shapes.ring[:-1]]
    for number, name in _KINDS:
        points = _VERTICES.get(number)
        _refuse((kind == number) & (rings != 1), f"a {name} has one ring")
        if points:
            _refuse((kind == number) & (vertices != points), f"a {name} has vertices: {points}")


_KINDS = ((RECTANGLE, "rectangle"), (LINE, "line"), (POINT, "point"),
          (BITMAP, "bitmap"), (FACE, "face"))  # fmt: skip
_VERTICES = {RECTANGLE: 2, POINT: 1, BITMAP: 1}


def _refuse(wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        raise ValueError(f"shape {int(np.flatnonzero(wrong)[0])}: {rule}")
