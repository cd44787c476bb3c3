"""An annotation with other titles of classes: its text is edited, and all else stays as written.

Only the titles and the objects that go are cut out of the text, so numbers, order, and white space
stay. Where a title is not easily found in the text, its object is written anew as JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .. import jsontext
from ..errors import AnnotationError
from .annotation import TOO_DEEP, opened, unwrapped
from .pieces import Pieces, split

_TITLE = re.compile(rb'"classTitle"[ \t\n\r]*:[ \t\n\r]*("(?:[^"\\]|\\.)*+")', re.DOTALL)
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")  # the key itself may be written so
_SHORTEST = 16  # bytes; an object has at least a title

Titles = Mapping[str, str | None]
"""New title of every class whose title changes, or None if its objects go."""


def retitle(annotation: bytes, titles: Titles, backgrounds: Sequence[str]) -> bytes:
    """Change the titles of an annotation's objects.

    Parameters
    ----------
    annotation
        Its JSON, which `parse` has read without an error.
    titles
        What becomes of the classes; a class that is not here stays as it is.
    backgrounds
        Classes of rectangles of the whole picture, the lowest first; they are put before all
        objects.

    Returns
    -------
    bytes
        The JSON; the very object `annotation` if nothing changes.

    Raises
    ------
    AnnotationError
        If it is nested deeper than JSON can be written.
    """
    try:
        pieces = split(annotation, _SHORTEST)
        if pieces is None:
            return _whole(annotation, titles, backgrounds)
        head = jsontext.load(pieces.head)
        if (unwrapped(head) is not head) != pieces.is_wrapped:  # two lists of objects
            return _whole(annotation, titles, backgrounds)
        return _in_pieces(annotation, pieces, head, titles, backgrounds)
    except RecursionError:
        raise AnnotationError(TOO_DEEP) from None


def _in_pieces(
    annotation: bytes, pieces: Pieces, head: Any, titles: Titles, backgrounds: Sequence[str]
) -> bytes:
    height, width, _ = opened(head)
    old = [bytes(text) for text in pieces.texts]
    if len(old) == 1 and not old[0].strip():
        old = []
    new = [_edited(text, titles) for text in old]
    if new == old and not backgrounds:
        return annotation
    lowest = [jsontext.dump(_rectangle(title, height, width)) for title in backgrounds]
    objects = b",".join([*lowest, *(text for text in new if text is not None)])
    return b"".join((pieces.before, objects, pieces.after))


def _edited(text: bytes, titles: Titles) -> bytes | None:
    """The text of one object with its new title; None if the object goes."""
    found = _TITLE.findall(text)
    if len(found) != 1 or _ESCAPED_LETTER.search(text):
        item = json.loads(text)
        changed = _changed(item, titles)
        if changed is None or changed is item:
            return None if changed is None else text
        return _dump(changed)
    old = jsontext.load(found[0])
    new = titles.get(old, old)
    if new is None or new == old:
        return None if new is None else text
    start, end = _TITLE.search(text).span(1)  # type: ignore[union-attr]  # it was found above
    return b"".join((text[:start], jsontext.dump(new), text[end:]))


def _whole(annotation: bytes, titles: Titles, backgrounds: Sequence[str]) -> bytes:
    """Write an annotation anew whose list of objects is missing or not easily found."""
    data = json.loads(annotation)  # unlike orjson, it keeps every digit of a whole number
    height, width, objects = opened(data)
    new = [_changed(item, titles) for item in objects]
    if not backgrounds and all(a is b for a, b in zip(new, objects, strict=True)):
        return annotation
    lowest = [_rectangle(title, height, width) for title in backgrounds]
    unwrapped(data)["objects"] = [*lowest, *(item for item in new if item is not None)]
    return _dump(data)


def _changed(item: dict[str, Any], titles: Titles) -> dict[str, Any] | None:
    """An object with its new title, itself if that is the old one, or None if it goes."""
    old = item["classTitle"]
    new = titles.get(old, old)
    if new is None or new == old:
        return None if new is None else item
    return item | {"classTitle": new}


def _rectangle(title: str, height: int, width: int) -> dict[str, Any]:
    """The object of a background."""
    corners = [[0, 0], [width - 1, height - 1]]
    return {
        "classTitle": title,
        "description": "",
        "geometryType": "rectangle",
        "tags": [],
        "points": {"exterior": corners, "interior": []},
    }


def _dump(value: object) -> bytes:
    """JSON of whatever the standard library has read, NaN and long numbers included."""
    return json.dumps(value, separators=(",", ":")).encode()
