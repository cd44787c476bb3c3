"""`Builder` collects the shapes of one annotation, one by one, and makes them `Shapes`."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..errors import AnnotationError, printable, shown
from ..kernels.parse.points import read_points
from ..shapes import BITMAP, COORDINATE_LIMIT, Shapes
from .payload import NO_MASKS, PayloadList, decode_masks

Ring = list[Any]

# Made once: making a dtype from a type takes a fifth of the time of making an array.
_UINT8, _INT32, _INT64 = np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64)
_POINTS_AT_ONCE = 1 << 16  # bounds the temporary copies when there are millions


@dataclass(frozen=True, slots=True)
class Rules:
    """How annotations are read, and what they must keep to beyond what can be painted.

    Attributes
    ----------
    max_pixels
        Largest canvas and largest bitmap, in pixels; all bitmaps together may have eight times as
        many, which packed take a byte a pixel. None for the engine's own limits.
    strict
        Whether objects of unknown classes, of unknown geometries and graphs without their edges are
        errors.
    cuboid_faces
        Whether 2D cuboids are the faces that are seen, or their edges and corners.
    min_area
        Objects of fewer pixels are left out after they have been read.
    """

    max_pixels: int | None = None
    strict: bool = False
    cuboid_faces: bool = False
    min_area: float = 0


LENIENT = Rules()


class Builder:
    """Collects the shapes of one annotation in flat arrays that grow.

    Attributes
    ----------
    height, width
        The canvas in pixels.
    class_id, object_index
        Of the object whose shapes are being added.
    geometries, unsupported
        Number of objects by geometry, and the same for geometries that are not painted.
    unknown_classes, missing_edges
        Number of objects by class, of classes that nobody knows, and of graphs without edges.
    has_faces
        Whether 2D cuboids are to be faces.
    """

    def __init__(self, height: int, width: int, rules: Rules = LENIENT) -> None:
        self.height, self.width = height, width
        self._rules = rules
        self.has_faces = rules.cuboid_faces
        self.class_id = self.object_index = -1
        self.geometries: dict[str, int] = {}
        self.unsupported: dict[str, int] = {}
        self.unknown_classes: dict[str, int] = {}
        self.missing_edges: dict[str, int] = {}
        # The columns of `Shapes`. NumPy arrays will share their memory without a copy.
        self._kind = bytearray()
        self._class_id = array("i")
        self._object_index = array("i")
        self._ring = array("q", [0])
        self._vertex = array("q", [0])
        self._xy = array("i")
        self._areas: dict[int, int] = {}  # by number of the shape, because few shapes have one
        self._payloads: PayloadList | None = None  # until there is a bitmap
        self._points: Ring = []  # points that are not in `_xy` yet ...
        self._read = 0  # ... and the number of points that are

    def add(self, kind: int, ring: Ring) -> None:
        """Append a shape of one ring."""
        points, vertex = self._points, self._vertex
        points += ring
        vertex.append(self._read + len(points))
        self._ring.append(len(vertex) - 1)
        self._kind.append(kind)
        self._class_id.append(self.class_id)
        self._object_index.append(self.object_index)

    def add_hole(self, ring: Ring) -> None:
        """Append one more ring to the last shape."""
        self._points += ring
        self._vertex.append(self._read + len(self._points))
        self._ring[-1] += 1

    def set_area(self, area: int) -> None:
        """Set the area of the last shape, in pixels."""
        self._areas[len(self._kind) - 1] = area

    def add_bitmap(self, origin: Any, data: str, threshold: int) -> None:
        """Append a bitmap. Its mask has the pixels of at least `threshold`, an 8-bit level."""
        if self._payloads is None:
            self._payloads = PayloadList()
        self._payloads.add(data, self.object_index, threshold)
        self.add(BITMAP, [origin])

    def note_missing_edges(self, title: str) -> None:
        """Count a graph whose class has no edges, or raise `ValueError` if rules are strict."""
        if self._rules.strict:
            raise ValueError(
                f'its edges are missing: the class "{printable(title)}" has none in meta.json, or'
                " the painter was not given that"
            )
        self.missing_edges[title] = self.missing_edges.get(title, 0) + 1

    def read_points(self) -> None:
        """Turn the points added since the last call into floored pixels, and drop the originals.

        Raises `AnnotationError` for the first shape that has a point which is no pair of numbers,
        or else for the first point that is too far away.
        """
        far: AnnotationError | None = None
        for first in range(0, len(self._points), _POINTS_AT_ONCE):
            batch = self._points[first : first + _POINTS_AT_ONCE]
            pixels = np.empty((len(batch), 2), np.int32)
            if not _are_everyday(batch, pixels):
                points = _numbers(batch)
                if points is None:
                    raise self._bad_point()
                np.floor(points, out=points)
                # Written so that NaN counts as too far away.
                if np.min(points) >= -COORDINATE_LIMIT and np.max(points) <= COORDINATE_LIMIT:
                    pixels[:] = points
                else:
                    far = far or self._far_point(points, first)
            self._xy.frombytes(pixels.tobytes())
        if far:
            raise far
        self._read += len(self._points)
        self._points = []

    def shapes(self, classes: Mapping[str, int]) -> Shapes:
        """Return all shapes. Call `read_points` before, and add nothing afterwards.

        Raises `AnnotationError` for a bitmap that is damaged.
        """
        kind = np.frombuffer(self._kind, _UINT8)
        area = np.empty(len(kind))
        area.fill(math.nan)
        for shape, pixels in self._areas.items():
            area[shape] = pixels
        payload = array("i", [-1]) * len(kind)
        masks = NO_MASKS
        if self._payloads:
            bitmaps = (shape for shape, kind_ in enumerate(self._kind) if kind_ == BITMAP)
            for number, shape in enumerate(bitmaps):
                payload[shape] = number
            payloads = self._payloads.payloads()
            masks = decode_masks(payloads, (self.height, self.width), self._rules.max_pixels)
        return Shapes(
            height=self.height,
            width=self.width,
            kind=kind,
            class_id=np.frombuffer(self._class_id, _INT32),
            object_index=np.frombuffer(self._object_index, _INT32),
            area=area,
            ring=np.frombuffer(self._ring, _INT64),
            vertex=np.frombuffer(self._vertex, _INT64),
            xy=np.frombuffer(self._xy, _INT32).reshape(-1, 2),
            payload=np.frombuffer(payload, _INT32),
            masks=masks,
            geometries=self.geometries,
            unsupported=self.unsupported,
            classes=classes,
            unknown_classes=self.unknown_classes,
            missing_edges=self.missing_edges,
        )

    def _first_points(self) -> NDArray[np.int64]:
        """Index in `_points` where each shape begins, (n + 1,); negative if it was read before."""
        vertex = np.frombuffer(self._vertex, np.int64)
        return vertex.take(self._ring) - np.int64(self._read)

    def _far_point(self, points: NDArray[np.float64], first: int) -> AnnotationError:
        """The error for the first of these points that is too far away or not finite."""
        near = (points >= -COORDINATE_LIMIT) & (points <= COORDINATE_LIMIT)
        at = first + int(np.flatnonzero(~near.all(axis=1))[0])
        shape = int(np.searchsorted(self._first_points(), at, side="right")) - 1
        # Shown as written, except for whole numbers of hundreds of digits.
        x, y = (v if abs(v) < 1e20 else _as_float(v) for v in self._points[at])
        return AnnotationError(
            f"point [{x}, {y}] is not within {COORDINATE_LIMIT} pixels of the origin",
            object_index=self._object_index[shape],
        )

    def _bad_point(self) -> AnnotationError:
        """The error for the first shape that has a point which is not a pair of numbers."""
        starts = self._first_points()
        for i, kind in enumerate(self._kind):
            points = self._points[max(starts[i], 0) : max(starts[i + 1], 0)]
            if _numbers(points) is None:
                name = "bitmap.origin" if kind == BITMAP else "the object"
                bad = next(point for point in points if _numbers([point]) is None)
                return AnnotationError(
                    f"points must be pairs of numbers, as [12, 34.5], but {name} has {shown(bad)}",
                    object_index=self._object_index[i],
                )
        raise AssertionError("every point belongs to a shape")


def _are_everyday(points: list[Any], out: NDArray[np.int32]) -> bool:
    """Write points as floored pixels, unless some point is unusual or wrong."""
    try:
        text = np.frombuffer(orjson.dumps(points), np.uint8)
    except TypeError:
        return False
    return bool(read_points(text, out))


def _numbers(points: list[Any]) -> NDArray[np.float64] | None:
    """(n, 2), or None if some point is not a pair of numbers."""
    try:
        if not set(map(len, points)) <= {2}:
            return None
        flat = list(chain.from_iterable(points))
        # The types are checked because NumPy would convert texts to numbers.
        if not set(map(type, flat)) <= {int, float}:
            return None
        try:
            return np.array(flat, np.float64).reshape(-1, 2)
        except OverflowError:
            return np.array([*map(_as_float, flat)]).reshape(-1, 2)
    except TypeError:
        return None


def _as_float(number: float) -> float:
    """A number as float, infinite if it is a whole one of too many digits."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
