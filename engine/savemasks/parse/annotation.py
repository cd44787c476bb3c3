"""Annotation JSON → `Shapes`. The only place that knows how Supervisely writes annotations.

Unknown keys are ignored. Objects of classes without a colour are counted, but their contents are
not read. Geometries that this version does not paint are counted separately.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from .. import jsontext
from ..errors import AnnotationError, shown
from ..jsontext import EncodingError, Text
from ..projects.classes import ClassTemplate
from ..shapes import Shapes
from .builder import Builder
from .geometry import GEOMETRIES, WRONG_OBJECT, geometry_of, whole
from .nulls import needed_null
from .pieces import LARGE, split

MAX_PIXELS = 1 << 40
"""Largest canvas, in pixels. A larger size is taken for a mistake."""

Annotation = Text | dict[str, Any]
"""An annotation's JSON, as text or already parsed."""

MAX_BYTES = 1 << 27
"""Largest annotation, in bytes. Parsed JSON may take twenty times the memory of its text.

A large annotation is parsed in pieces, so this holds for one object at a time, or for the whole if
the annotation has an error.
"""


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
        Number of every class to parse; objects of other classes are skipped.
    templates
        What the project's meta.json says of its classes: geometries of old annotations, and edges
        of graphs.
    on_size
        Called with height and width. Its exceptions come before those about objects.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError
        If `annotation` is none of these.
    """
    templates = templates or {}
    builder = _read_pieces(annotation, classes, templates)
    if builder is None:
        builder = _read_whole(annotation, classes, templates, on_size)
    elif on_size:
        on_size(builder.height, builder.width)
    return builder.shapes(classes)


def _read_whole(
    annotation: Annotation,
    classes: Mapping[str, int],
    templates: Mapping[str, ClassTemplate],
    on_size: Callable[[int, int], None] | None,
) -> Builder:
    height, width, objects = _open(_load(annotation))
    if on_size:
        on_size(height, width)
    builder = Builder(height, width)
    try:
        _add_objects(builder, objects, 0, classes, templates)
        builder.read_points()
    except AnnotationError as error:
        index = error.object_index
        if index is not None and (null := needed_null(objects[index], templates)):
            raise AnnotationError(null, object_index=index) from error
        raise
    return builder


def _read_pieces(
    annotation: Annotation, classes: Mapping[str, int], templates: Mapping[str, ClassTemplate]
) -> Builder | None:
    """Read a large annotation piece by piece; None if it is small or has any error.

    `_read_whole` then reports the error: only it knows the first error and its line.
    """
    if not isinstance(annotation, Text) or not LARGE <= len(annotation) <= MAX_BYTES:
        return None
    pieces = split(annotation)
    if pieces is None:
        return None
    try:
        head = jsontext.load(pieces.head)
        if (_unwrapped(head) is not head) != pieces.is_wrapped:  # there are two lists of objects
            return None
        height, width, _ = _open(head)
        builder = Builder(height, width)
        count = 0
        for objects in pieces:
            _add_objects(builder, objects, count, classes, templates)
            builder.read_points()
            count += len(objects)
    except ValueError:  # raised for an object, by `jsontext` or by `Pieces`
        return None
    return builder


def _add_objects(
    builder: Builder,
    objects: list[Any],
    first: int,
    classes: Mapping[str, int],
    templates: Mapping[str, ClassTemplate],
) -> None:
    """Add objects to a builder, of which the first one is number `first` in the annotation."""
    geometries = builder.geometries
    for index, item in enumerate(objects, first):
        if not isinstance(item, dict):
            raise AnnotationError("is not a JSON object", object_index=index)
        title = item.get("classTitle")
        if not isinstance(title, str):
            raise AnnotationError("classTitle is missing or not a text", object_index=index)
        template = templates.get(title)
        geometry = geometry_of(item, template)
        geometries[geometry] = geometries.get(geometry, 0) + 1
        class_id = classes.get(title)
        if class_id is None and template is None:
            unknown = builder.unknown_classes
            unknown[title] = unknown.get(title, 0) + 1
        add = GEOMETRIES.get(geometry)
        if add is None:
            builder.unsupported[geometry] = geometries[geometry]
        if add is None or class_id is None:
            continue
        builder.class_id, builder.object_index = class_id, index
        try:
            add(builder, item, template)
        except WRONG_OBJECT as error:
            raise AnnotationError(_explain(geometry, error), object_index=index) from error


def too_large(size: int) -> str:
    """Say why an annotation of so many bytes is refused."""
    return f"has {size} bytes, which is more than the {MAX_BYTES} that are supported"


def _load(annotation: Annotation) -> Any:
    if isinstance(annotation, dict):
        return annotation
    if not isinstance(annotation, Text):
        name = type(annotation).__name__
        raise TypeError(f"an annotation is JSON (bytes or str), a dict or Shapes, not {name}")
    if len(annotation) > MAX_BYTES:
        raise AnnotationError(too_large(len(annotation)))
    try:
        return jsontext.load(annotation)
    except EncodingError as error:
        raise AnnotationError(str(error)) from error
    except json.JSONDecodeError as error:
        text = annotation if isinstance(annotation, str) else bytes(annotation).decode()
        if not text.removeprefix("\ufeff").strip():
            raise AnnotationError("the file is empty") from None
        place = f"line {error.lineno}, column {error.colno}"
        message = f"not valid JSON at {place}: {error.msg}"
        if isinstance(annotation, str) and not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            message += " (a str is an annotation's text, not the name of its file)"
        raise AnnotationError(message) from error


def _open(data: Any) -> tuple[int, int, list[Any]]:
    """Height, width and objects of an annotation."""
    data = _unwrapped(data)
    size = data.get("size") if isinstance(data, dict) else None
    if not isinstance(size, dict):
        raise AnnotationError('"size" with "height" and "width" is missing')
    height, width = whole(size.get("height")), whole(size.get("width"))
    for name, side in (("height", height), ("width", width)):
        if type(side) is not int or side <= 0:
            found = "missing" if side is None else shown(side)
            raise AnnotationError(f"size.{name} must be a positive whole number, but is {found}")
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"size {width} x {height} is more than the {MAX_PIXELS} pixels that are supported"
        )
    objects = data.get("objects", [])
    if not isinstance(objects, list):
        raise AnnotationError('"objects" is not a list')
    return height, width, objects


def _unwrapped(data: Any) -> Any:
    """The annotation itself, where it is inside what Supervisely's API returns."""
    is_wrapper = isinstance(data, dict) and "size" not in data
    return data["annotation"] if is_wrapper and isinstance(data.get("annotation"), dict) else data


def _explain(geometry: str, error: Exception) -> str:
    """A message for what went wrong inside one object."""
    if isinstance(error, KeyError):
        return f"{geometry} without {error.args[0]!r}"
    if isinstance(error, IndexError):
        return f"{geometry} whose faces name points that do not exist"
    if isinstance(error, TypeError | AttributeError):
        return f"{geometry} whose points or bitmap have the wrong type"
    return f"{geometry}: {error}"
