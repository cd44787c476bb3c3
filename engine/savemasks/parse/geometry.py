"""Objects of every geometry → shapes of the few kinds that the painter knows.

Works on the parsed JSON of one object; together with `parse` the only place that knows how
Supervisely writes annotations. An adder raises one of `WRONG_OBJECT` for an object that it cannot
take; `parse` names the object.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import shown
from ..projects.classes import ClassTemplate
from ..shapes import COORDINATE_LIMIT, FACE, LINE, POINT, POLYGON, RECTANGLE
from .builder import Builder, Ring

_Template = ClassTemplate | None

WRONG_OBJECT = (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError)
"""What adders raise."""

_FRONT = ("face1-topleft", "face1-topright", "face1-bottomright", "face1-bottomleft")
_BACK = ("face2-topleft", "face2-topright", "face2-bottomright", "face2-bottomleft")
_CUBOID_EDGES = (
    *zip(_FRONT, (*_FRONT[1:], _FRONT[0]), strict=True),
    *zip(_BACK, (*_BACK[1:], _BACK[0]), strict=True),
    *zip(_FRONT, _BACK, strict=True),
)
_CUBOID_FACES = (
    _FRONT,
    *(
        (_FRONT[i], _FRONT[j], _BACK[j], _BACK[i])  # top, right, bottom and left
        for i, j in ((0, 1), (1, 2), (2, 3), (3, 0))
    ),
)


def geometry_of(item: dict[str, Any], template: _Template) -> str:
    """Name of an object's geometry.

    Old annotations do not name it. Then it is taken from the class, or from the object's keys.
    """
    name = item.get("geometryType") or item.get("shape") or None
    if name is None and template is not None and template.shape != "any":
        name = template.shape
    if name is None:
        name = next((name for key, name in _TELLING_KEYS if item.get(key) is not None), "polygon")
    return name if isinstance(name, str) else "?"


def whole(number: Any) -> Any:
    """Return a whole number that is written as 16.0 as an int, and anything else as it is."""
    is_whole = type(number) is float and number.is_integer() and abs(number) <= _LARGEST_WHOLE
    return int(number) if is_whole else number


_LARGEST_WHOLE = 1 << 53  # beyond, a float has lost digits
_TELLING_KEYS = (
    ("bitmap", "bitmap"),
    ("nodes", "graph"),
    ("vertices", "cuboid_2d"),
    ("parts", "multipolygon"),
    ("faces", "cuboid"),
    ("angle", "oriented_bbox"),
)


def _exterior(contours: dict[str, Any], name: str = "points") -> Ring:
    exterior = contours["exterior"]
    if not isinstance(exterior, list) or not exterior:
        is_other = exterior is not None and not isinstance(exterior, list)
        hint = f": a list of them is needed, not {shown(exterior)}" if is_other else ""
        raise ValueError(f"{name}.exterior has no points{hint}")
    return exterior


def _add_polygon(builder: Builder, contours: dict[str, Any], name: str) -> None:
    """Add an exterior and its holes; holes without points are ignored."""
    builder.add(POLYGON, _exterior(contours, name))
    interior = contours.get("interior")
    if interior is None:
        return
    if not isinstance(interior, list):
        raise TypeError  # `wrong_type` finds it again
    for hole in interior:
        if hole:
            builder.add_hole(hole)
        elif hole is not None and not isinstance(hole, list):
            raise TypeError


def _polygon(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    _add_polygon(builder, item["points"], "points")


def _multipolygon(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    parts = item["parts"]
    if not isinstance(parts, list) or not parts:
        raise ValueError("has no parts")
    for number, part in enumerate(parts):
        if part is None:
            raise ValueError(f"parts[{number}] is null")
        _add_polygon(builder, part, f"parts[{number}]")


def _rectangle(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    builder.add(RECTANGLE, _two(_exterior(item["points"]), "points.exterior"))


def _oriented_bbox(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    """Four corners, turned about the middle. They are whole pixels before and after turning."""
    corners = _two(item["points"], "points")
    first, second = map(_floored, corners)
    (left, right), (top, bottom) = map(sorted, zip(first, second, strict=True))
    angle = item["angle"] or 0.0
    if isinstance(angle, bool) or not isinstance(angle, int | float) or not math.isfinite(angle):
        raise ValueError(f"angle must be a number of radians, not {shown(angle)}")
    x0, y0 = (left + right) // 2, (top + bottom) // 2
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    turned = [
        [
            math.floor((x - x0) * cos - (y - y0) * sin + x0),
            math.floor((x - x0) * sin + (y - y0) * cos + y0),
        ]
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    builder.add(POLYGON, turned)
    builder.set_area((right - left + 1) * (bottom - top + 1))


def _floored(point: Ring) -> tuple[int, int]:
    x, y = point
    # Written so that NaN counts as too far away.
    is_near = abs(x) <= COORDINATE_LIMIT and abs(y) <= COORDINATE_LIMIT
    if isinstance(x, bool) or isinstance(y, bool) or not is_near:
        limit = f"within {COORDINATE_LIMIT} pixels of the origin"
        raise ValueError(f"point [{shown(x)}, {shown(y)}] is not {limit}")
    return math.floor(x), math.floor(y)


def _line(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    builder.add(LINE, _exterior(item["points"]))


def _point(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    builder.add(POINT, _exterior(item["points"])[:1])


def _bitmap(
    builder: Builder, item: dict[str, Any], _template: _Template, threshold: int = 1
) -> None:
    bitmap = item["bitmap"]
    data = bitmap["data"]
    if not isinstance(data, str):
        if not isinstance(data, bytes | bytearray):
            raise ValueError("bitmap.data is not a text")  # noqa: TRY004  (parse names the object)
        data = data.decode("latin-1")  # base64 makes bytes
    builder.add_bitmap(bitmap["origin"], data, threshold)


def _alpha_mask(builder: Builder, item: dict[str, Any], template: _Template) -> None:
    """A bitmap of alpha. In a gray PNG the levels are alpha, whatever its tRNS chunk says."""
    _bitmap(builder, item, template, threshold=128)


def _graph(builder: Builder, item: dict[str, Any], template: _Template) -> None:
    if template is None or template.lacks_edges:
        builder.note_missing_edges(item["classTitle"])
    _nodes_and_edges(builder, item["nodes"], template.edges if template else ())


def _cuboid_2d(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    if builder.has_faces:
        _seen_faces(builder, item["vertices"])
    else:
        _nodes_and_edges(builder, item["vertices"], _CUBOID_EDGES)


def _seen_faces(builder: Builder, corners: dict[str, Any]) -> None:
    """The front and the four sides; the back is not seen. A face needs all of its corners.

    Where areas decide the order, the object has none, as edges have none.
    """
    places = _enabled(corners)
    for face in _CUBOID_FACES:
        if all(name in places for name in face):
            builder.add(FACE, [places[name] for name in face])
            builder.set_area(0)


def _nodes_and_edges(
    builder: Builder, nodes: dict[str, Any], edges: Sequence[tuple[str, str]]
) -> None:
    """Edges as lines, then nodes as points. Disabled nodes and their edges are not painted."""
    places = _enabled(nodes)
    for source, target in edges:
        if source in places and target in places:
            builder.add(LINE, [places[source], places[target]])
    for place in places.values():
        builder.add(POINT, [place])


def _enabled(nodes: dict[str, Any]) -> dict[str, Any]:
    """Places of the nodes that are not disabled."""
    return {name: node["loc"] for name, node in nodes.items() if not node.get("disabled")}


def _cuboid(builder: Builder, item: dict[str, Any], _template: _Template) -> None:
    """The union of the faces; each is a list of positions in `points`."""
    points, faces = item["points"], item["faces"]
    if not faces:
        raise ValueError("has no faces")
    for face in faces:
        if not face or min(face) < 0:
            raise ValueError(f"face {shown(face)} does not consist of positions in points")
        builder.add(FACE, [points[whole(i)] for i in face])


def _two(points: Ring, name: str) -> Ring:
    if len(points) != 2:
        raise ValueError(f"{name} must be two corners, not {len(points)} points")
    return points


GEOMETRIES: dict[str, Callable[[Builder, dict[str, Any], _Template], None]] = {
    "polygon": _polygon,
    "multipolygon": _multipolygon,
    "rectangle": _rectangle,
    "oriented_bbox": _oriented_bbox,
    "line": _line,
    "polyline": _line,
    "point": _point,
    "bitmap": _bitmap,
    "alpha_mask": _alpha_mask,
    "graph": _graph,
    "cuboid_2d": _cuboid_2d,
    "cuboid": _cuboid,
}
