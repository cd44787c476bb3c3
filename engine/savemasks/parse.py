"""Annotation JSON → `Shapes`. The only place that knows how Supervisely writes annotations.

Unknown keys are ignored. Objects of classes without a colour are counted but not looked into;
geometries that this version does not paint are counted apart.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .errors import AnnotationError
from .payload import decode_masks
from .shapes import BITMAP, COORDINATE_LIMIT, LINE, POINT, POLYGON, RECTANGLE, Shapes

MAX_PIXELS = 1 << 28
"""Largest canvas, in pixels."""

Ring = list[Any]


class _Builder:
    """Collects what will become the flat arrays."""

    def __init__(self) -> None:
        self.kind: list[int] = []
        self.class_id: list[int] = []
        self.object_index: list[int] = []
        self.ring_counts: list[int] = []
        self.ring_sizes: list[int] = []
        self.points: Ring = []
        self.bitmaps: list[str] = []
        self.bitmap_objects: list[int] = []

    def add(self, kind: int, class_id: int, index: int, rings: list[Ring]) -> None:
        """Append one shape."""
        self.kind.append(kind)
        self.class_id.append(class_id)
        self.object_index.append(index)
        self.ring_counts.append(len(rings))
        for ring in rings:
            self.ring_sizes.append(len(ring))
            self.points += ring


def parse(annotation: bytes, classes: Mapping[str, int]) -> Shapes:
    """Parse an annotation.

    Parameters
    ----------
    annotation
        Its JSON.
    classes
        Number of every class that is wanted; objects of other classes are left out.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    """
    height, width, objects = _open(annotation)
    geometries: Counter[str] = Counter()
    unsupported: Counter[str] = Counter()
    builder = _Builder()
    for index, item in enumerate(objects):
        if not isinstance(item, dict):
            raise AnnotationError("is not a JSON object", object_index=index)
        title = item.get("classTitle")
        if not isinstance(title, str):
            raise AnnotationError("classTitle is missing or not a text", object_index=index)
        geometry = _geometry(item)
        geometries[geometry] += 1
        add = _ADDERS.get(geometry)
        if add is None:
            unsupported[geometry] += 1
            continue
        class_id = classes.get(title)
        if class_id is None:
            continue
        try:
            add(builder, class_id, index, item)
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(_explain(geometry, error), object_index=index) from error
    return _finish(builder, height, width, geometries, unsupported)


def _open(annotation: bytes) -> tuple[int, int, list[Any]]:
    """Height, width and objects of an annotation."""
    if not annotation.strip():
        raise AnnotationError("the file is empty")
    try:
        data = orjson.loads(annotation)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise AnnotationError(f"not valid JSON at {place}: {error.msg}") from error
    size = data.get("size") if isinstance(data, dict) else None
    if not isinstance(size, dict):
        raise AnnotationError('"size" with "height" and "width" is missing')
    sides = []
    for name in ("height", "width"):
        side = size.get(name)
        if type(side) is not int or side <= 0:
            shown = "missing" if side is None else orjson.dumps(side).decode()
            raise AnnotationError(f"size.{name} must be a positive whole number, but is {shown}")
        sides.append(side)
    height, width = sides
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"size {width} x {height} is more than the {MAX_PIXELS} pixels that are supported"
        )
    objects = data.get("objects", [])
    if not isinstance(objects, list):
        raise AnnotationError('"objects" is not a list')
    return height, width, objects


def _geometry(item: dict[str, Any]) -> str:
    """Name of an object's geometry; annotations without one have a `bitmap` key or are polygons."""
    name = item.get("geometryType") or item.get("shape")
    if name is None:
        name = "bitmap" if item.get("bitmap") else "polygon"
    return name if isinstance(name, str) else "?"


def _rings(item: dict[str, Any]) -> list[Ring]:
    """The exterior and the interior rings; holes without points are no holes."""
    points = item["points"]
    exterior = points["exterior"]
    if not isinstance(exterior, list) or not exterior:
        raise ValueError("points.exterior has no points")
    return [exterior, *[ring for ring in points.get("interior") or () if ring]]


def _add_polygon(builder: _Builder, class_id: int, index: int, item: dict[str, Any]) -> None:
    builder.add(POLYGON, class_id, index, _rings(item))


def _add_rectangle(builder: _Builder, class_id: int, index: int, item: dict[str, Any]) -> None:
    corners = _rings(item)[0]
    if len(corners) != 2:
        raise ValueError(f"points.exterior must be two corners, not {len(corners)} points")
    builder.add(RECTANGLE, class_id, index, [corners])


def _add_line(builder: _Builder, class_id: int, index: int, item: dict[str, Any]) -> None:
    builder.add(LINE, class_id, index, _rings(item)[:1])


def _add_point(builder: _Builder, class_id: int, index: int, item: dict[str, Any]) -> None:
    builder.add(POINT, class_id, index, [_rings(item)[0][:1]])


def _add_bitmap(builder: _Builder, class_id: int, index: int, item: dict[str, Any]) -> None:
    bitmap = item["bitmap"]
    data = bitmap["data"]
    if not isinstance(data, str):
        raise ValueError("bitmap.data is not a text")  # noqa: TRY004  (becomes an AnnotationError)
    builder.add(BITMAP, class_id, index, [[bitmap["origin"]]])
    builder.bitmaps.append(data)
    builder.bitmap_objects.append(index)


_ADDERS: dict[str, Callable[[_Builder, int, int, dict[str, Any]], None]] = {
    "polygon": _add_polygon,
    "rectangle": _add_rectangle,
    "line": _add_line,
    "polyline": _add_line,
    "point": _add_point,
    "bitmap": _add_bitmap,
}


def _explain(geometry: str, error: Exception) -> str:
    """A message for what went wrong inside one object."""
    if isinstance(error, KeyError):
        return f"{geometry} without {error.args[0]!r}"
    if isinstance(error, TypeError):
        return f"{geometry} whose points or bitmap have the wrong type"
    return f"{geometry}: {error}"


def _finish(
    builder: _Builder,
    height: int,
    width: int,
    geometries: Mapping[str, int],
    unsupported: Mapping[str, int],
) -> Shapes:
    """Turn the collected lists into arrays."""
    kind = np.array(builder.kind, np.uint8)
    ring = _offsets(builder.ring_counts)
    vertex = _offsets(builder.ring_sizes)
    payload = np.full(kind.size, -1, np.int32)
    payload[kind == BITMAP] = np.arange(len(builder.bitmaps))
    return Shapes(
        height=height,
        width=width,
        kind=kind,
        class_id=np.array(builder.class_id, np.int32),
        object_index=np.array(builder.object_index, np.int32),
        ring=ring,
        vertex=vertex,
        xy=_coordinates(builder, vertex[ring]),
        payload=payload,
        masks=decode_masks(builder.bitmaps, builder.bitmap_objects, (height, width)),
        geometries=dict(geometries),
        unsupported=dict(unsupported),
    )


def _offsets(counts: list[int]) -> NDArray[np.int64]:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _coordinates(builder: _Builder, shape_start: NDArray[np.int64]) -> NDArray[np.int32]:
    """All points as floored pixels, or an error that names the object of the first bad one."""
    if not builder.points:
        return np.zeros((0, 2), np.int32)
    points = _numbers(builder.points)
    if points is None:
        for i in range(len(builder.kind)):
            if _numbers(builder.points[shape_start[i] : shape_start[i + 1]]) is None:
                raise AnnotationError(
                    "points must be pairs of numbers, as [12, 34.5]",
                    object_index=builder.object_index[i],
                )
        raise AnnotationError("points must be pairs of numbers, as [12, 34.5]")
    if points.dtype.kind == "f":
        points = np.floor(points)
    # Written so that NaN counts as too far away.
    near = (points >= -COORDINATE_LIMIT) & (points <= COORDINATE_LIMIT)
    if not near.all():
        at = int(np.flatnonzero(~near.all(axis=1))[0])
        shape = int(np.searchsorted(shape_start, at, side="right")) - 1
        x, y = builder.points[at]
        raise AnnotationError(
            f"point [{x}, {y}] is not within {COORDINATE_LIMIT} pixels of the origin",
            object_index=builder.object_index[shape],
        )
    return points.astype(np.int32)


def _numbers(points: Ring) -> NDArray[Any] | None:
    """(n, 2) integers or floats, or None if some point is not a pair of numbers."""
    try:
        array = np.array(points)
    except ValueError:
        return None
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iuf":
        return None
    return array
