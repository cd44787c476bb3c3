"""Strokes in place of what is filled, against OpenCV on a padded canvas, exactly."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.paint.labels import paint_labels
from savemasks.paint.outlines import outline_width, outlined
from savemasks.parse.annotation import parse
from savemasks.projects.classes import ClassTemplate
from savemasks.shapes import BITMAP, LINE, POINT, POLYGON, RECTANGLE, Shapes
from support.annotations import Json, bitmap, thing, vector

MARGIN = 200
EDGES = (("a", "b"), ("b", "c"))
MASK = np.array([[1, 0, 1], [0, 1, 1]], bool)  # of `bitmap`
Canvas = NDArray[np.uint8]


def parsed(size: tuple[int, int], *objects: Json) -> Shapes:
    """Shapes of objects, of which object i is of the class that is called i."""
    named = [item | {"classTitle": str(i)} for i, item in enumerate(objects)]
    classes = {str(i): i for i in range(len(objects))}
    templates = dict.fromkeys(classes, ClassTemplate("any", EDGES))
    data = {"size": {"height": size[0], "width": size[1]}, "objects": named}
    return parse(data, classes, templates)


def painted(shapes: Shapes, objects: int, frame: int | None = None) -> Canvas:
    width = outline_width(shapes.height, shapes.width)
    out = np.empty((shapes.height, shapes.width), np.uint8)
    labels = np.arange(1, objects + 1, dtype=np.uint8)
    paint_labels(outlined(shapes, frame), labels, out, line_width=width)
    return out


def rings_of(item: Json) -> list[NDArray[np.int32]]:
    """The closed lines of an object that is not filled."""
    points: Any = item.get("points")
    if item["geometryType"] == "multipolygon":
        rings = [r for part in item["parts"] for r in (part["exterior"], *part["interior"])]
    elif item["geometryType"] == "cuboid":
        rings = [[points[i] for i in face] for face in item["faces"]]
    else:  # golden cases have boxes that are turned
        (left, top), (right, bottom) = points
        rings = [[[left, top], [right, top], [right, bottom], [left, bottom]]]
    return [np.array(ring, np.int32) + MARGIN for ring in rings]


def draw(canvas: Canvas, item: Json, label: int, width: int) -> None:
    """Draw an object as the SDK draws its contour, or fills it."""
    geometry = item["geometryType"]
    if geometry == "bitmap":
        x, y = np.array(item["bitmap"]["origin"]) + MARGIN
        canvas[y : y + 2, x : x + 3][MASK] = label
    elif geometry == "graph":
        nodes = {name: np.array(n["loc"]) + MARGIN for name, n in item["nodes"].items()}
        for one, other in EDGES:
            if one in nodes and other in nodes:
                cv2.line(canvas, nodes[one].tolist(), nodes[other].tolist(), label, width)
        for node in nodes.values():
            cv2.circle(canvas, node.tolist(), round(width / 2), label, cv2.FILLED)
    elif geometry in {"polygon", "rectangle", "line", "point"}:
        points = np.array(item["points"]["exterior"], np.int32) + MARGIN
        if geometry == "polygon":
            cv2.fillPoly(canvas, [points], label)
        elif geometry == "rectangle":
            low, high = points.min(axis=0), points.max(axis=0)
            cv2.rectangle(canvas, low.tolist(), high.tolist(), label, width)
        elif geometry == "line":
            cv2.polylines(canvas, [points], False, label, width)
        else:
            radius = round((width + 1) / 2)
            cv2.circle(canvas, points[0].tolist(), radius, label, cv2.FILLED)
    else:
        cv2.polylines(canvas, rings_of(item), True, label, width)


def drawn(size: tuple[int, int], width: int, *objects: Json) -> Canvas:
    height, across = size
    canvas = np.zeros((height + 2 * MARGIN, across + 2 * MARGIN), np.uint8)
    for label, item in enumerate(objects, start=1):
        draw(canvas, item, label, width)
    return canvas[MARGIN : MARGIN + height, MARGIN : MARGIN + across]


@st.composite
def items(draw: st.DrawFn, size: tuple[int, int]) -> Json:
    """An object of any geometry, maybe partly outside of the canvas."""
    places = st.tuples(st.integers(-30, size[1] + 30), st.integers(-30, size[0] + 30)).map(list)

    def ring(low: int, high: int) -> list[list[int]]:
        return draw(st.lists(places, min_size=low, max_size=high))

    geometry = draw(
        st.sampled_from(
            ["polygon", "rectangle", "line", "point", "bitmap", "multipolygon", "cuboid",
             "graph", "oriented_bbox"]
        )
    )  # fmt: skip
    counts = {"polygon": (1, 6), "rectangle": (2, 2), "line": (2, 6), "point": (1, 1)}
    if geometry in counts:
        return vector(geometry, ring(*counts[geometry]))
    if geometry == "bitmap":
        return bitmap(draw(places))
    if geometry == "multipolygon":
        first = {"exterior": ring(1, 5), "interior": [ring(1, 4)]}
        return thing(geometry, parts=[first, {"exterior": ring(1, 5), "interior": []}])
    if geometry == "cuboid":
        return thing(geometry, points=ring(7, 7), faces=[[0, 1, 2, 3], [0, 4, 5, 1], [6]])
    if geometry == "graph":
        names = "abc"[: draw(st.integers(2, 3))]
        return thing(geometry, nodes={name: {"loc": draw(places)} for name in names})
    x, y = draw(places)
    half = draw(st.integers(0, 20))
    corners = [[x - half, y - half], [x + half, y + half]]
    return thing(geometry, points=corners, angle=0)


sizes = st.sampled_from([(40, 30), (20, 599), (600, 20), (20, 900), (20, 1250), (1500, 20)])


@settings(max_examples=300, deadline=None)
@given(st.data(), sizes)
def test_objects_are_stroked_as_opencv_strokes_them(data: Any, size: tuple[int, int]) -> None:
    objects = data.draw(st.lists(items(size), min_size=1, max_size=5))
    width = max(1, int((max(size) + 1) / 300))
    shapes = parsed(size, *objects)
    assert (painted(shapes, len(objects)) == drawn(size, width, *objects)).all()


@settings(max_examples=50, deadline=None)
@given(st.data(), sizes)
def test_a_background_is_a_frame_below_all(data: Any, size: tuple[int, int]) -> None:
    objects = data.draw(st.lists(items(size), max_size=3))
    shapes, count = parsed(size, *objects), len(objects)
    made, without = outlined(shapes, count), outlined(shapes)
    assert made.object_index.tolist() == [-1, *without.object_index.tolist()]
    for name in ("kind", "class_id", "object_index", "area", "ring", "vertex", "xy", "payload"):
        assert getattr(made, name).dtype == getattr(shapes, name).dtype, name
    background = vector("rectangle", [[0, 0], [size[1] - 1, size[0] - 1]])
    expected = drawn(size, outline_width(*size), background, *objects)
    first = np.array([0, *range(2, count + 2), 1])  # its label is the first there, here the last
    assert (first[painted(shapes, count + 1, count)] == expected).all()


@pytest.mark.parametrize(
    ("side", "width"), [(1, 1), (598, 1), (599, 2), (899, 3), (1920, 6), (30_000, 100)]
)
def test_lines_are_wider_on_larger_pictures(side: int, width: int) -> None:
    assert outline_width(side, 1) == outline_width(1, side) == width


def test_what_is_filled_or_a_stroke_already_is_the_same_object() -> None:
    ring = [[1, 1], [9, 1], [9, 9]]
    line, polygon = vector("line", ring), vector("polygon", ring, [[[3, 2], [7, 2], [7, 6]]])
    for objects in ((), (line, polygon, bitmap([1, 1]))):
        shapes = parsed((20, 20), *objects)
        assert outlined(shapes) is shapes
    nodes = {"a": {"loc": [3, 3]}}
    shapes = parsed((20, 20), thing("graph", nodes=nodes))
    assert outlined(shapes) is shapes


def test_every_shape_keeps_its_object_and_class() -> None:
    parts = [{"exterior": [[1, 1], [9, 1], [9, 9]], "interior": [[[4, 2], [7, 2], [7, 5]]]}] * 2
    box = vector("rectangle", [[1, 2], [3, 4]])
    shapes = parsed((20, 20), box, thing("multipolygon", parts=parts), bitmap([1, 1]), box)
    before = shapes.xy.tobytes(), shapes.kind.tobytes()
    made = outlined(shapes)
    assert made.kind.tolist() == [LINE] * 5 + [BITMAP, LINE]
    assert made.class_id.tolist() == made.object_index.tolist() == [0, 1, 1, 1, 1, 2, 3]
    assert made.payload.tolist() == [-1] * 5 + [0, -1]
    assert made.geometries == shapes.geometries
    assert (shapes.xy.tobytes(), shapes.kind.tobytes()) == before
    for name in ("kind", "class_id", "object_index", "area", "ring", "vertex", "xy", "payload"):
        assert getattr(made, name).dtype == getattr(shapes, name).dtype, name


def test_a_multipolygon_of_one_part_and_a_graph_of_one_node_are_known_where_they_can_be() -> None:
    part = {"exterior": [[1, 1], [9, 1], [9, 9]], "interior": []}
    one, node = thing("multipolygon", parts=[part]), thing("graph", nodes={"a": {"loc": [3, 3]}})
    polygon, point = vector("polygon", part["exterior"]), vector("point", [[3, 3]])
    assert outlined(parsed((20, 20), one, node)).kind.tolist() == [LINE, POINT]
    both = outlined(parsed((20, 20), one, node, polygon, point))
    assert both.kind.tolist() == [POLYGON, BITMAP, POLYGON, BITMAP]
    assert len(both.masks.shape) == 1


def test_shapes_of_arrays_are_stroked_too() -> None:
    around = [[0, 0], [8, 0], [8, 8]]
    shapes = Shapes.from_arrays(
        (9, 9), [POLYGON, RECTANGLE, POINT], [0, 1, 2], [*around, [7, 6], [1, 2], [4, 4]],
        vertex=[0, 3, 5, 6], classes={"a": 0, "b": 1, "c": 2},
    )  # fmt: skip
    before = shapes.xy.tolist()
    box, point = vector("rectangle", [[1, 2], [7, 6]]), vector("point", [[4, 4]])
    expected = drawn((9, 9), 1, vector("polygon", around), box, point)
    assert (painted(shapes, 3) == expected).all()
    assert shapes.xy.tolist() == before
    alone = Shapes.from_arrays((9, 9), [POINT], [0], [[4, 4]], vertex=[0, 1], classes={"a": 0})
    assert (painted(alone, 1) == drawn((9, 9), 1, point)).all()
    assert alone.xy.tolist() == [[4, 4]]
