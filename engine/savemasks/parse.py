"""Annotation JSON → `Shapes`. The only place that knows how Supervisely writes annotations.

Unknown keys are ignored. Objects of classes without a colour are counted but not looked into;
geometries that this version does not paint are counted apart.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .errors import AnnotationError, shown
from .geometry import GEOMETRIES, Builder, add_object, geometry_of
from .kernels.points import read_points
from .payload import decode_masks
from .project import ClassTemplate
from .shapes import BITMAP, COORDINATE_LIMIT, Shapes, offsets

MAX_PIXELS = 1 << 40
"""Largest canvas, in pixels: what is larger is a mistake."""

_POINTS_AT_ONCE = 1 << 16  # so that millions of them do not take their memory three times


Annotation = bytes | bytearray | memoryview | str | dict[str, Any]
"""An annotation's JSON, as text or already parsed."""

MAX_BYTES = 1 << 27
"""Largest annotation. What JSON becomes may take twenty times its memory."""


def parse(
    annotation: Annotation,
    classes: Mapping[str, int],
    templates: Mapping[str, ClassTemplate] | None = None,
    on_size: Callable[[int, int], None] | None = None,
) -> Shapes:
    """Parse an annotation.

    Parameters
    ----------
    annotation
        Its JSON, or the dict that it parses to, which is only read.
    classes
        Number of every class that is wanted; objects of other classes are left out.
    templates
        What the project's meta.json says of its classes: geometries of old annotations, and edges
        of graphs.
    on_size
        Called with height and width before any object is looked into; may raise.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError
        If `annotation` is none of these.
    """
    height, width, objects = _open(annotation)
    if on_size:
        on_size(height, width)
    templates = templates or {}
    geometries: dict[str, int] = {}
    unsupported: dict[str, int] = {}
    builder = Builder()
    for index, item in enumerate(objects):
        if not isinstance(item, dict):
            raise AnnotationError("is not a JSON object", object_index=index)
        title = item.get("classTitle")
        if not isinstance(title, str):
            raise AnnotationError("classTitle is missing or not a text", object_index=index)
        template = templates.get(title)
        geometry = geometry_of(item, template)
        geometries[geometry] = geometries.get(geometry, 0) + 1
        if geometry not in GEOMETRIES:
            unsupported[geometry] = unsupported.get(geometry, 0) + 1
            continue
        class_id = classes.get(title)
        if class_id is None:
            continue
        builder.class_id, builder.object_index = class_id, index
        try:
            add_object(builder, geometry, item, template)
        except _WRONG_OBJECT as error:
            raise AnnotationError(_explain(geometry, error), object_index=index) from error
    return _finish(builder, (height, width), classes, geometries, unsupported)


def too_large(size: int) -> str:
    """Say why an annotation of so many bytes is refused."""
    return f"has {size} bytes, which is more than the {MAX_BYTES} that are supported"


_WRONG_OBJECT = (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError)


def _load(annotation: Annotation) -> Any:
    if isinstance(annotation, dict):
        return annotation
    if not isinstance(annotation, bytes | bytearray | memoryview | str):
        name = type(annotation).__name__
        raise TypeError(f"an annotation is JSON (bytes or str), a dict or Shapes, not {name}")
    if len(annotation) > MAX_BYTES:
        raise AnnotationError(too_large(len(annotation)))
    try:
        return orjson.loads(annotation)
    except orjson.JSONDecodeError as error:
        text = annotation if isinstance(annotation, str) else bytes(annotation)
        if not text.strip():
            raise AnnotationError("the file is empty") from None
        place = f"line {error.lineno}, column {error.colno}"
        raise AnnotationError(f"not valid JSON at {place}: {error.msg}") from error


def _open(annotation: Annotation) -> tuple[int, int, list[Any]]:
    """Height, width and objects of an annotation."""
    data = _load(annotation)
    size = data.get("size") if isinstance(data, dict) else None
    if not isinstance(size, dict):
        raise AnnotationError('"size" with "height" and "width" is missing')
    sides = []
    for name in ("height", "width"):
        side = size.get(name)
        if type(side) is not int or side <= 0:
            found = "missing" if side is None else shown(side)
            raise AnnotationError(f"size.{name} must be a positive whole number, but is {found}")
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


def _explain(geometry: str, error: Exception) -> str:
    """A message for what went wrong inside one object."""
    if isinstance(error, KeyError):
        return f"{geometry} without {error.args[0]!r}"
    if isinstance(error, IndexError):
        return f"{geometry} whose faces name points that do not exist"
    if isinstance(error, TypeError | AttributeError):
        return f"{geometry} whose points or bitmap have the wrong type"
    return f"{geometry}: {error}"


def _finish(
    builder: Builder,
    canvas: tuple[int, int],
    classes: Mapping[str, int],
    geometries: dict[str, int],
    unsupported: dict[str, int],
) -> Shapes:
    """Turn the collected lists into arrays."""
    kind = np.array(builder.kinds, np.uint8)
    ring = offsets(builder.ring_counts)
    vertex = offsets(builder.ring_sizes)
    payload = np.full(kind.size, -1, np.int32)
    if builder.payloads:
        payload[kind == BITMAP] = np.arange(len(builder.payloads))
    return Shapes(
        height=canvas[0],
        width=canvas[1],
        kind=kind,
        class_id=np.array(builder.class_ids, np.int32),
        object_index=np.array(builder.object_indices, np.int32),
        area=np.array(builder.areas, np.float64),
        ring=ring,
        vertex=vertex,
        xy=_coordinates(builder, ring, vertex),
        payload=payload,
        masks=decode_masks(builder.payloads, builder.payload_objects, canvas, builder.thresholds),
        geometries=geometries,
        unsupported=unsupported,
        classes=classes,
    )


def _coordinates(
    builder: Builder, ring: NDArray[np.int64], vertex: NDArray[np.int64]
) -> NDArray[np.int32]:
    """All points as floored pixels, or an error that names the object of the first bad one."""
    pixels = np.empty((len(builder.points), 2), np.int32)
    far: AnnotationError | None = None
    for first in range(0, len(pixels), _POINTS_AT_ONCE):
        batch = builder.points[first : first + _POINTS_AT_ONCE]
        room = pixels[first : first + len(batch)]
        if _are_everyday(batch, room):
            continue
        points = _numbers(batch)
        if points is None:
            raise _bad_point(builder, vertex[ring])
        np.floor(points, out=points)
        # Written so that NaN counts as too far away.
        if np.min(points) >= -COORDINATE_LIMIT and np.max(points) <= COORDINATE_LIMIT:
            room[:] = points
        else:
            far = far or _far_point(builder, points, first, vertex[ring])
    if far:
        raise far
    return pixels


def _are_everyday(points: list[Any], out: NDArray[np.int32]) -> bool:
    """Write points as floored pixels, unless some point is unusual or wrong."""
    try:
        text = np.frombuffer(orjson.dumps(points), np.uint8)
    except TypeError:
        return False
    return bool(read_points(text, out))


def _far_point(
    builder: Builder, points: NDArray[np.float64], first: int, shape_start: NDArray[np.int64]
) -> AnnotationError:
    """The error for the first point that is too far away, or nowhere; `points` begin at `first`."""
    near = (points >= -COORDINATE_LIMIT) & (points <= COORDINATE_LIMIT)
    at = first + int(np.flatnonzero(~near.all(axis=1))[0])
    shape = int(np.searchsorted(shape_start, at, side="right")) - 1
    # As written, except for whole numbers of hundreds of digits.
    x, y = (v if abs(v) < 1e20 else float(v) for v in builder.points[at])
    return AnnotationError(
        f"point [{x}, {y}] is not within {COORDINATE_LIMIT} pixels of the origin",
        object_index=builder.object_indices[shape],
    )


def _numbers(points: list[Any]) -> NDArray[np.float64] | None:
    """(n, 2), or None if some point is not a pair of numbers."""
    try:
        if not set(map(len, points)) <= {2}:
            return None
        flat = list(chain.from_iterable(points))
        # Checked by type, for NumPy would read numbers out of texts.
        if not set(map(type, flat)) <= {int, float}:
            return None
        return np.array(flat, np.float64).reshape(-1, 2)
    except (TypeError, OverflowError):
        return None


def _bad_point(builder: Builder, shape_start: NDArray[np.int64]) -> AnnotationError:
    """The error for the first shape that has a point which is not a pair of numbers."""
    for i, kind in enumerate(builder.kinds):
        points = builder.points[shape_start[i] : shape_start[i + 1]]
        if _numbers(points) is None:
            name = "bitmap.origin" if kind == BITMAP else "the object"
            bad = next(point for point in points if _numbers([point]) is None)
            return AnnotationError(
                f"points must be pairs of numbers, as [12, 34.5], but {name} has {shown(bad)}",
                object_index=builder.object_indices[i],
            )
    raise AssertionError("every point belongs to a shape")
