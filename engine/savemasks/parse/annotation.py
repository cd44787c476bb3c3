"""Annotation JSON → `Shapes`. The only place that knows how Supervisely writes annotations.

Unknown keys are ignored. Objects of classes without a colour are counted, but their contents are
not read. Geometries that this version does not paint are counted separately.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import jsontext
from ..errors import AnnotationError, did_you_mean, printable, shown
from ..jsontext import EncodingError, Text
from ..projects.classes import ClassTemplate
from ..shapes import Shapes
from . import usual
from .builder import LENIENT, Builder, Rules
from .geometry import GEOMETRIES, WRONG_OBJECT, geometry_of, whole
from .nulls import needed_null
from .pieces import LARGE, split
from .types import wrong_type
from .usual import MAX_PIXELS

Annotation = Text | Mapping[str, Any]
"""An annotation's JSON, as text or already parsed, also as programs build it: of arrays."""

TOO_DEEP = "lists or objects are nested too deep in each other"
EMPTY_FILE = "the file is empty"
"""What is said of an annotation without a character."""

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
    rules: Rules = LENIENT,
    ids: dict[int, int | str] | None = None,
    names: NDArray[np.int64] | None = None,
) -> Shapes:
    """Parse an annotation.

    Parameters
    ----------
    annotation
        Its JSON, or the dict that it parses to, which is only read. Instead of lists, a dict may
        have arrays, tuples and other sequences, and NumPy's numbers for numbers.
    classes
        Number of every class to parse; objects of other classes are skipped.
    templates
        What the project's meta.json says of its classes: geometries of old annotations, and edges
        of graphs.
    on_size
        Called with height and width. Its exceptions come before those about objects.
    rules
        How it is read, and what is refused besides.
    ids
        Where to put the objects' own "id", by their positions in the list; those that have none are
        left out.
    names
        `usual.class_names` of the classes and templates. With them, usual texts are read the fast
        way; the result is the same.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError
        If `annotation` is none of these.
    """
    read = _Reading(classes, templates or {}, on_size, rules, ids)
    try:
        if names is not None and ids is None and isinstance(annotation, Text):
            shapes = read.usual(annotation, names)
            if shapes is not None:
                return shapes
        builder = read.pieces(annotation)
        if builder is None:
            builder = read.whole(annotation)
        return builder.shapes(classes)
    except RecursionError:
        raise AnnotationError(TOO_DEEP) from None


@dataclass(slots=True)  # not frozen: that would take a microsecond of every annotation
class _Reading:
    """The ways to read an annotation, with what they have in common: the arguments of `parse`."""

    classes: Mapping[str, int]
    templates: Mapping[str, ClassTemplate]
    on_size: Callable[[int, int], None] | None
    rules: Rules
    ids: dict[int, int | str] | None = None

    def usual(self, annotation: Text, names: NDArray[np.int64]) -> Shapes | None:
        """Read a text that is as usual; None if it is not, or has any error but in bitmaps."""
        if len(annotation) > MAX_BYTES:
            return None
        return usual.read(annotation, names, self.classes, self._check_size, self.rules.max_pixels)

    def whole(self, annotation: Annotation) -> Builder:
        """Read an annotation that is not large, or has an error."""
        data = _load(annotation)
        try:
            return self._read(data)
        except AnnotationError:
            if isinstance(annotation, Text):
                raise
        # What a program has built is made like JSON only now, for dicts mostly are like it.
        return self._read(_plain(data))

    def pieces(self, annotation: Annotation) -> Builder | None:
        """Read a large annotation piece by piece; None if it is small or has any error.

        `whole` then reports the error: only it knows the first error and its line.
        """
        if not isinstance(annotation, Text) or not LARGE <= len(annotation) <= MAX_BYTES:
            return None
        pieces = split(annotation)
        if pieces is None:
            return None
        try:
            head = jsontext.load(pieces.head)
            if (unwrapped(head) is not head) != pieces.is_wrapped:  # two lists of objects
                return None
            height, width, _ = opened(head)
        except ValueError:
            return None
        check_pixels(height, width, self.rules.max_pixels)
        builder = Builder(height, width, self.rules)
        count = 0
        try:
            for objects in pieces:
                self._add_objects(builder, objects, count)
                builder.read_points()
                count += len(objects)
        except ValueError:  # raised for an object, by `jsontext` or by `Pieces`
            return None
        if self.on_size:
            self.on_size(height, width)
        return builder

    def _read(self, data: Any) -> Builder:
        height, width, objects = opened(data)
        self._check_size(height, width)
        builder = Builder(height, width, self.rules)
        try:
            self._add_objects(builder, objects, 0)
            builder.read_points()
        except AnnotationError as error:
            index = error.object_index
            if index is not None and (null := needed_null(objects[index], self.templates)):
                raise AnnotationError(null, object_index=index) from error
            raise
        return builder

    def _check_size(self, height: int, width: int) -> None:
        check_pixels(height, width, self.rules.max_pixels)
        if self.on_size:
            self.on_size(height, width)

    def _add_objects(self, builder: Builder, objects: list[Any], first: int) -> None:
        """Add objects to a builder, of which the first one is number `first` in the annotation."""
        classes, templates, geometries = self.classes, self.templates, builder.geometries
        if self.ids is not None:
            self._note_ids(self.ids, objects, first)
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
                self._note_class(builder, title, index)
            add = GEOMETRIES.get(geometry)
            if add is None:
                self._note_geometry(builder, geometry, index)
            if add is None or class_id is None:
                continue
            builder.class_id, builder.object_index = class_id, index
            try:
                add(builder, item, template)
            except WRONG_OBJECT as error:
                message = _explain(geometry, item, error)
                raise AnnotationError(message, object_index=index) from error

    @staticmethod
    def _note_ids(ids: dict[int, int | str], objects: list[Any], first: int) -> None:
        for index, item in enumerate(objects, first):
            found = item.get("id") if isinstance(item, dict) else None
            if isinstance(found, int | str) and not isinstance(found, bool):
                ids[index] = found

    def _note_class(self, builder: Builder, title: str, index: int) -> None:
        if self.rules.strict:
            hint = did_you_mean(title, {**self.classes, **self.templates})
            message = f'neither the layer nor meta.json has the class "{printable(title)}"{hint}'
            raise AnnotationError(message, object_index=index)
        builder.unknown_classes[title] = builder.unknown_classes.get(title, 0) + 1

    def _note_geometry(self, builder: Builder, geometry: str, index: int) -> None:
        if self.rules.strict:
            hint = did_you_mean(geometry, GEOMETRIES)
            message = f'this version does not paint the geometry "{printable(geometry)}"{hint}'
            raise AnnotationError(message, object_index=index)
        builder.unsupported[geometry] = builder.geometries[geometry]


def check_pixels(height: int, width: int, most: int | None) -> None:
    """Raise `AnnotationError` for a canvas of more pixels than the caller wants."""
    if most is not None and height * width > most:
        raise AnnotationError(
            f"size {width} x {height} is more than the max_pixels of {most} that are allowed"
        )


def _plain(data: Mapping[str, Any]) -> Any:
    """An annotation that a program has built, as its JSON would parse."""
    try:
        return jsontext.plain(data, _ring)
    except RecursionError:
        raise AnnotationError("is nested too deeply") from None
    except (OverflowError, ValueError) as error:  # a fraction, say, beyond what a float can be
        raise AnnotationError(f"has a number that JSON has not: {error}") from error


def _ring(array: Any) -> Any:
    """An array of points, also of a contour (n, 1, 2) as OpenCV finds it."""
    shape = tuple(getattr(array, "shape", ()))
    return array.reshape(-1, 2) if len(shape) == 3 and shape[1:] == (1, 2) else array


def too_large(size: int) -> str:
    """Say why an annotation of so many bytes is refused."""
    return f"has {size} bytes, which is more than the {MAX_BYTES} that are supported"


def _load(annotation: Annotation) -> Any:
    if isinstance(annotation, dict):
        return annotation
    if isinstance(annotation, Mapping):
        return dict(annotation)
    if not isinstance(annotation, Text):
        name = type(annotation).__name__
        raise TypeError(
            "an annotation is JSON (bytes or str), a dict or Shapes, or the path of a file"
            f" (os.PathLike), not {name}"
        )
    if len(annotation) > MAX_BYTES:
        raise AnnotationError(too_large(len(annotation)))
    try:
        return jsontext.load(annotation)
    except EncodingError as error:
        raise AnnotationError(str(error)) from error
    except json.JSONDecodeError as error:
        text = annotation if isinstance(annotation, str) else bytes(annotation).decode()
        if not text.removeprefix("\ufeff").strip():
            raise AnnotationError(EMPTY_FILE) from None
        place = f"line {error.lineno}, column {error.colno}"
        message = f"not valid JSON at {place}: {error.msg}"
        if isinstance(annotation, str) and not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            message += " (a str is an annotation's text, not the name of its file)"
        raise AnnotationError(message) from error


def opened(data: Any) -> tuple[int, int, list[Any]]:
    """Height, width and objects of an annotation."""
    data = unwrapped(data)
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
            f"size {shown(width)} x {shown(height)} is more than the {MAX_PIXELS} pixels that are"
            " supported"
        )
    objects = data.get("objects", [])
    if not isinstance(objects, list):
        raise AnnotationError('"objects" is not a list')
    return height, width, objects


def unwrapped(data: Any) -> Any:
    """The annotation itself, where it is inside what Supervisely's API returns."""
    is_wrapper = isinstance(data, dict) and "size" not in data
    return data["annotation"] if is_wrapper and isinstance(data.get("annotation"), dict) else data


def _explain(geometry: str, item: dict[str, Any], error: Exception) -> str:
    """A message for what went wrong inside one object."""
    if isinstance(error, KeyError):
        return f"{geometry} without {error.args[0]!r}"
    if isinstance(error, IndexError):
        return f"{geometry} whose faces name points that do not exist"
    if isinstance(error, TypeError | AttributeError):
        return f"{geometry}: {wrong_type(geometry, item)}"
    return f"{geometry}: {error}"
