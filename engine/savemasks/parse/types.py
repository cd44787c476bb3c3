"""Finds the value of a wrong type that made an object unreadable, after it was refused."""

from collections.abc import Iterator
from typing import Any

from ..errors import printable, shown
from .geometry import whole

_NAMES = {dict: "an object", list: "a list", int: "a whole number"}
_Expected = Iterator[tuple[str, Any, type]]


def wrong_type(geometry: str, item: dict[str, Any]) -> str:
    """Return a message that names the first value of a wrong type in an object."""
    for path, value, kind in _expected(geometry, item):
        if not isinstance(value, kind):
            wrong = f"{printable(path)} has the wrong type"
            return f"{wrong}: {_NAMES[kind]} is needed, not {shown(value)}"
    return "a value in it has the wrong type"


def _expected(geometry: str, item: dict[str, Any]) -> _Expected:
    """Paths, values and types of what geometries consist of, from the outside to the inside."""
    if geometry in ("bitmap", "alpha_mask"):
        yield "bitmap", item["bitmap"], dict
    elif geometry in ("graph", "cuboid_2d"):
        key = "nodes" if geometry == "graph" else "vertices"
        yield key, item[key], dict
        for name, node in item[key].items():
            yield f"{key}.{name}", node, dict
    elif geometry == "cuboid":
        yield "points", item["points"], list
        yield "faces", item["faces"], list
        for i, face in enumerate(item["faces"]):
            yield f"faces[{i}]", face, list
            for j, number in enumerate(face):
                yield f"faces[{i}][{j}]", whole(number), int
    elif geometry == "oriented_bbox":
        yield "points", item["points"], list
        for i, point in enumerate(item["points"]):
            yield f"points[{i}]", point, list
    elif geometry == "multipolygon":
        for i, part in enumerate(item["parts"]):
            yield from _contours(f"parts[{i}]", part)
    else:
        yield from _contours("points", item["points"])


def _contours(path: str, contours: Any) -> _Expected:
    yield path, contours, dict
    interior = contours.get("interior")
    if interior is not None:
        yield f"{path}.interior", interior, list
        for i, hole in enumerate(interior):
            yield f"{path}.interior[{i}]", hole, list
