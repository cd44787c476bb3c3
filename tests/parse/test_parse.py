"""Annotation JSON → `Shapes`, array by array, and what is said about what cannot be read."""

import json
import math
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError, did_you_mean
from savemasks.parse.annotation import parse
from savemasks.parse.geometry import GEOMETRIES
from savemasks.parse.usual import MAX_PIXELS
from savemasks.shapes import BITMAP, LINE, POINT, POLYGON, RECTANGLE, Shapes
from support.annotations import (
    BAD_OBJECTS,
    BROKEN,
    CLASSES,
    DATA,
    GOOD,
    PAIRS,
    SIZE,
    Json,
    annotation,
    bitmap,
    data_of,
    polygon,
    thing,
    vector,
    vectors,
)


def rings_of(shapes: Shapes) -> list[tuple[int, list[list[list[int]]]]]:
    """Kind and rings of every shape, read back by the words of shapes.py."""
    assert shapes.ring.tolist()[:1] == shapes.vertex.tolist()[:1] == [0]
    assert shapes.ring[-1] == len(shapes.vertex) - 1
    assert shapes.vertex[-1] == len(shapes.xy)
    return [
        (
            int(shapes.kind[i]),
            [
                shapes.xy[shapes.vertex[j] : shapes.vertex[j + 1]].tolist()
                for j in range(shapes.ring[i], shapes.ring[i + 1])
            ],
        )
        for i in range(len(shapes))
    ]


@pytest.mark.parametrize(
    ("item", "kind", "rings"),
    [
        (vector("polygon", [[1, 2], [3, 4], [5, 6]]), POLYGON, [[[1, 2], [3, 4], [5, 6]]]),
        (vector("polygon", [[1, 2]]), POLYGON, [[[1, 2]]]),
        (vector("polygon", [[0, 0], [9, 0]], [[[1, 1], [2, 2]], [[3, 3]]]),
         POLYGON, [[[0, 0], [9, 0]], [[1, 1], [2, 2]], [[3, 3]]]),
        (vector("polygon", [[0, 0]], [[], [[1, 1]], None, []]), POLYGON, [[[0, 0]], [[1, 1]]]),
        (vector("polygon", [[0, 0]], None), POLYGON, [[[0, 0]]]),
        (thing("polygon", points={"exterior": [[0, 0]]}), POLYGON, [[[0, 0]]]),
        (vector("rectangle", [[7, 8], [3, 4]]), RECTANGLE, [[[7, 8], [3, 4]]]),
        (vector("line", [[1, 2], [3, 4], [1, 2]]), LINE, [[[1, 2], [3, 4], [1, 2]]]),
        (vector("polyline", [[1, 2], [3, 4]]), LINE, [[[1, 2], [3, 4]]]),
        (vector("line", [[1, 2]], [[[3, 4]]]), LINE, [[[1, 2]]]),
        (vector("point", [[1, 2]]), POINT, [[[1, 2]]]),
        (vector("point", [[1, 2], [3, 4]]), POINT, [[[1, 2]]]),
        (bitmap([5, 6]), BITMAP, [[[5, 6]]]),
        (bitmap([-5.5, 6.5]), BITMAP, [[[-6, 6]]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["geometryType", "shape"])
def test_every_geometry_has_the_rings_that_shapes_documents(
    item: Json, kind: int, rings: Any, name: str
) -> None:
    named = {name if key == "geometryType" else key: value for key, value in item.items()}
    shapes = parse(annotation(named), CLASSES)
    assert rings_of(shapes) == [(kind, rings)]
    assert (shapes.class_id.tolist(), shapes.object_index.tolist()) == ([4], [0])
    assert shapes.payload.tolist() == [0 if kind == BITMAP else -1]
    assert len(shapes.masks.shape) == (kind == BITMAP)
    assert shapes.geometries == {item["geometryType"]: 1}
    assert shapes.unsupported == {}


def test_the_arrays_of_a_small_annotation_are_these() -> None:
    shapes = parse(
        annotation(
            vector("polygon", [[0, 0], [9, 0], [9, 9]], [[[1, 1], [2, 2]]]),
            bitmap([3, 4], title="plum"),
            vector("polygon", [[0, 0]], title="unmapped"),
            thing("mesh", "lemon", points=5),
            vector("line", [[-1, -2], [5, 5]], title="lemon"),
            bitmap([0, 0], data_of([[0, 1]]), "lemon"),
        ),
        CLASSES,
    )
    assert (shapes.height, shapes.width, len(shapes)) == (10, 20, 4)
    expected = {
        "kind": [POLYGON, BITMAP, LINE, BITMAP],
        "class_id": [4, 70_000, 0, 0],
        "object_index": [0, 1, 4, 5],
        "ring": [0, 2, 3, 4, 5],
        "vertex": [0, 3, 5, 6, 8, 9],
        "xy": [[0, 0], [9, 0], [9, 9], [1, 1], [2, 2], [3, 4], [-1, -2], [5, 5], [0, 0]],
        "payload": [-1, 0, -1, 1],
    }
    assert {name: getattr(shapes, name).tolist() for name in expected} == expected
    assert shapes.masks.start.tolist() == [0, 2, 3]
    assert shapes.masks.shape.tolist() == [[2, 3], [1, 2]]
    assert shapes.masks.bits.tolist() == [0b10100000, 0b01100000, 0b01000000]
    assert shapes.geometries == {"polygon": 2, "bitmap": 2, "mesh": 1, "line": 1}
    assert shapes.unsupported == {"mesh": 1}


@pytest.mark.parametrize("objects", [(), [vector("line", [[1, 2]], title="unmapped")]])
def test_the_arrays_have_their_types_and_ranks_even_when_empty(objects: Any) -> None:
    for shapes in (
        parse(annotation(*objects), CLASSES),
        parse(annotation(bitmap([1, 2])), CLASSES),
    ):
        types = {name: getattr(shapes, name).dtype.name for name in (
            "kind", "class_id", "object_index", "ring", "vertex", "xy", "payload")}  # fmt: skip
        assert [*types.values()] == ["uint8", "int32", "int32", "int64", "int64", "int32", "int32"]
        assert shapes.xy.ndim == shapes.xy.shape[1] == 2


KINDS = {"polygon": POLYGON, "line": LINE, "polyline": LINE, "rectangle": RECTANGLE, "point": POINT}


@settings(max_examples=60, deadline=None)
@given(st.lists(vectors, max_size=8))
def test_objects_keep_their_order_and_floors_of_all_their_points(objects: list[Json]) -> None:
    kept = [(i, o) for i, o in enumerate(objects)
            if o["classTitle"] in CLASSES and o["geometryType"] in KINDS]  # fmt: skip
    expected = []
    for _, item in kept:
        rings = [item["points"]["exterior"], *filter(None, item["points"]["interior"])]
        floored = [[[math.floor(x), math.floor(y)] for x, y in ring] for ring in rings]
        expected.append((KINDS[item["geometryType"]], floored))
    shapes = parse(annotation(*objects), CLASSES)
    assert rings_of(shapes) == expected
    assert shapes.object_index.tolist() == [i for i, _ in kept]
    assert shapes.class_id.tolist() == [CLASSES[item["classTitle"]] for _, item in kept]
    geometries = [item["geometryType"] for item in objects]
    assert shapes.geometries == Counter(geometries)
    assert shapes.unsupported == Counter(g for g in geometries if g not in KINDS)


@pytest.mark.parametrize(
    ("number", "pixel"),
    [(0, 0), (-0.0, 0), (0.999999, 0), (-0.000001, -1), (-1, -1), (-1.5, -2), (2.5, 2),
     (1e9, 10**9), (10**9, 10**9), (1e9 + 0.5, 10**9), (-1e9, -(10**9)), (1e-300, 0)],
)  # fmt: skip
def test_a_coordinate_is_floored(number: float, pixel: int) -> None:
    shapes = parse(annotation(vector("line", [[number, 7], [7, number]])), CLASSES)
    assert shapes.xy.tolist() == [[pixel, 7], [7, pixel]]


@pytest.mark.parametrize(
    ("keys", "geometry"),
    [
        ({}, "polygon"),
        ({"bitmap": None}, "polygon"),
        ({"bitmap": {"origin": [1, 2], "data": DATA}}, "bitmap"),
        ({"geometryType": None, "shape": "line"}, "line"),
        ({"geometryType": "", "shape": "line"}, "line"),
        ({"geometryType": "line", "shape": "polygon"}, "line"),
        ({"geometryType": "line", "bitmap": {}}, "line"),
    ],
)
def test_an_object_says_its_geometry_in_new_or_old_words(keys: Json, geometry: str) -> None:
    item = {"classTitle": "kiwi", "points": {"exterior": [[1, 2]], "interior": []}, **keys}
    shapes = parse(annotation(item), CLASSES)
    assert rings_of(shapes) == [((KINDS | {"bitmap": BITMAP})[geometry], [[[1, 2]]])]
    assert shapes.geometries == {geometry: 1}


def test_objects_of_unmapped_classes_are_counted_but_not_looked_into() -> None:
    broken = [
        {"classTitle": "unmapped"},
        thing("polygon", "unmapped", points=5),
        vector("rectangle", [["x"]], title="unmapped"),
        bitmap(None, "no base64!", "unmapped"),
        thing("mesh", "unmapped"),
        {"classTitle": "unmapped", "geometryType": 5},
    ]
    shapes = parse(annotation(*broken), CLASSES)
    assert len(shapes) == 0
    assert shapes.geometries == {"polygon": 2, "rectangle": 1, "bitmap": 1, "mesh": 1, "?": 1}
    assert shapes.unsupported == {"mesh": 1, "?": 1}
    assert len(parse(annotation(vector("line", [[1, 2]])), {})) == 0


def test_unknown_keys_are_ignored_and_of_double_keys_the_last_one_counts() -> None:
    item = vector("line", [[1, 2]]) | {"tags": [5], "nodes": None, "instance": {"a": {}}}
    shapes = parse(annotation(item, tags=None, description=7, x=["[" * 500]), CLASSES)
    assert rings_of(shapes) == [(LINE, [[[1, 2]]])]
    twice = b'{"objects":5,"size":{"width":1,"height":2,"width":3},"objects":[]}'
    shapes = parse(twice, CLASSES)
    assert (shapes.height, shapes.width, len(shapes)) == (2, 3, 0)


def test_the_largest_canvas_needs_no_objects_and_may_stand_in_white_space() -> None:
    shapes = parse(b' \n{"size": {"height": 1048576, "width": 1048576}}\r\n', CLASSES)
    assert (shapes.height, shapes.width, len(shapes)) == (1048576, 1048576, 0)
    assert shapes.height * shapes.width == MAX_PIXELS


def test_what_the_api_returns_is_read() -> None:
    inner = json.loads(annotation(*GOOD))
    wrapped = {"imageId": 7, "imageName": "a.jpg", "annotation": inner, "objects": [5]}
    for text in (wrapped, json.dumps(wrapped)):
        shapes = parse(text, CLASSES)
        assert rings_of(shapes) == rings_of(parse(annotation(*GOOD), CLASSES))
    # What has a size is an annotation, whatever else is in it.
    assert len(parse(inner | {"objects": [], "annotation": inner}, CLASSES)) == 0


def test_whole_numbers_may_be_written_as_floats() -> None:
    cuboid = thing("cuboid", points=[[0, 0], [5, 0], [5, 5]], faces=[[0, 1, 2]])
    floats = cuboid | {"faces": [[0.0, 1.0, 2.0]]}
    shapes = parse(annotation(floats, size={"height": 16.0, "width": 2e1}), CLASSES)
    assert (shapes.height, shapes.width) == (16, 20)
    assert rings_of(shapes) == rings_of(parse(annotation(cuboid), CLASSES))
    wrong = told(annotation(cuboid | {"faces": [[0, 1.5]]}))
    assert wrong == ("cuboid: faces[0][1] has the wrong type: a whole number is needed, not 1.5", 0)


def test_what_is_no_json_is_read_where_no_coordinate_is() -> None:
    odd = {"description": "\ud83d", "tags": [{"name": "\udc00", "value": math.nan}]}
    item = vector("line", [[1, 2]], title="plum") | odd
    unknown = thing("\ud83d", "\udc00")
    content = b"\xef\xbb\xbf" + annotation(item, unknown, meta=-math.inf, **odd)
    shapes = parse(content, CLASSES)
    assert rings_of(shapes) == [(LINE, [[[1, 2]]])]
    assert shapes.unknown_classes == {"\udc00": 1}
    assert shapes.unsupported == {"\ud83d": 1}


def test_a_class_whose_title_is_half_a_character_is_a_class() -> None:
    assert len(parse(annotation(vector("line", [[1, 2]], title="\ud83d")), {"\ud83d": 1})) == 1


@pytest.mark.parametrize("name", [*GEOMETRIES])
def test_a_geometry_that_is_misspelt_is_counted_and_the_right_one_is_near(name: str) -> None:
    for wrong in (name.capitalize(), f" {name.upper()}"):
        shapes = parse(annotation(thing(wrong)), CLASSES)
        assert shapes.unsupported == {wrong: 1}
        assert did_you_mean(wrong, GEOMETRIES) == f' (did you mean "{name}"?)'


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("geometry", ["rectangle", "line", "point"])
def test_only_polygons_have_holes(geometry: str) -> None:
    exterior = [[1, 2], [3, 4]]
    expected = parse(annotation(vector(geometry, exterior)), CLASSES)
    for interior in (5, None, [[[1, 1], [2, 1], [1, 2]]]):
        shapes = parse(annotation(vector(geometry, exterior, interior)), CLASSES)
        assert shapes.xy.tolist() == expected.xy.tolist()
        assert shapes.ring.tolist() == expected.ring.tolist()


def told(content: bytes) -> tuple[str, int | None]:
    with pytest.raises(AnnotationError) as caught:
        parse(content, CLASSES)
    assert caught.value.file is None
    return caught.value.message, caught.value.object_index


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_an_annotation_that_cannot_be_read_is_refused_with_the_reason(
    content: bytes, message: str
) -> None:
    text, index = told(content)
    assert message in text
    assert index is None
    assert "name of its file" not in text


def test_the_name_of_a_file_is_no_annotation_and_is_told_so() -> None:
    with pytest.raises(AnnotationError, match=r"not valid JSON.*not the name of its file"):
        parse("ann/a.json", CLASSES)
    with pytest.raises(AnnotationError, match=r"not valid JSON at line 1, column 2: [^(]*$"):
        parse("{]", CLASSES)


@pytest.mark.parametrize(
    ("side", "shown"),
    [(0, "0"), (-1, "-1"), (16.5, "16.5"), (0.0, "0"), (-3.0, "-3"), (True, "true"),
     ("5", '"5"'), (None, "missing"), ([5], "[5]"), (10**30, "1e+30"), (math.inf, "Infinity")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["height", "width"])
def test_a_side_must_be_a_positive_whole_number(name: str, side: Any, shown: str) -> None:
    message = f"size.{name} must be a positive whole number, but is {shown}"
    assert told(annotation(size=SIZE | {name: side})) == (message, None)
    del (size := dict(SIZE))[name]
    assert told(annotation(size=size))[0].endswith("but is missing")


def test_a_side_of_deeply_nested_lists_is_refused_like_any_other() -> None:
    content = annotation(size=SIZE | {"width": 5}).replace(b"5", b"[" * 300 + b"]" * 300)
    assert told(content)[0].startswith("size.width must be a positive whole number, but is ")


@pytest.mark.parametrize(("bad", "message"), BAD_OBJECTS)
def test_the_one_bad_object_among_good_ones_is_named(bad: Any, message: str) -> None:
    for index in range(len(GOOD) + 1):
        text, named = told(annotation(*GOOD[:index], bad, *GOOD[index:]))
        assert named == index
        assert message in text
    assert told(annotation(bad))[1] == 0


@pytest.mark.parametrize("pair", [[True, False], [True, 2], [2.5, False]])
def test_a_truth_value_is_a_coordinate_everywhere_or_nowhere(pair: Any) -> None:
    def refused(*objects: Json) -> bool:
        try:
            parse(annotation(*objects), CLASSES)
        except AnnotationError:
            return True
        return False

    assert refused(polygon([pair])) == refused(polygon([pair]), polygon([[1, 2.5]]))
    assert refused(polygon([pair])) == refused(polygon([[True, True]]))


def test_a_long_text_among_the_points_is_refused_without_a_multiple_of_its_memory() -> None:
    content = annotation(polygon([[1, 2]] * 1000), polygon([["x" * 20_000, 1]]))
    tracemalloc.start()
    try:
        message, index = told(content)
        assert (message[: len(PAIRS)], index) == (PAIRS, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(content)
