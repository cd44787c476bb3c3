"""Annotation JSON → `Shapes`, array by array, and what is said about what cannot be read."""

import base64
import json
import math
import tracemalloc
import zlib
from collections import Counter
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError
from savemasks.parse.annotation import MAX_PIXELS, parse
from savemasks.shapes import BITMAP, COORDINATE_LIMIT, LINE, POINT, POLYGON, RECTANGLE, Shapes

Json: TypeAlias = dict[str, Any]
CLASSES = {"kiwi": 4, "lemon": 0, "plum": 70_000}
SIZE = {"height": 10, "width": 20}


def annotation(*objects: Any, **keys: Any) -> bytes:
    return json.dumps({"size": SIZE, "objects": objects, **keys}).encode()


def thing(geometry: str, title: str = "kiwi", **keys: Any) -> Json:
    return {"classTitle": title, "geometryType": geometry, **keys}


def vector(geometry: str, exterior: Any, interior: Any = (), title: str = "kiwi") -> Json:
    return thing(geometry, title, points={"exterior": exterior, "interior": interior})


def data_of(mask: list[list[int]]) -> str:
    """A mask as Supervisely writes it: base64 of zlib of a PNG."""
    done, content = cv2.imencode(".png", np.array(mask, np.uint8) * 255)
    assert done
    return base64.b64encode(zlib.compress(content.tobytes())).decode()


DATA = data_of([[1, 0, 1], [0, 1, 1]])


def polygon(exterior: Any) -> Json:
    return vector("polygon", exterior)


def bitmap(origin: Any, data: Any = DATA, title: str = "kiwi") -> Json:
    return thing("bitmap", title, bitmap={"origin": origin, "data": data})


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


coordinates = st.one_of(
    st.integers(-50, 50),
    st.floats(-50, 50),
    st.integers(-COORDINATE_LIMIT, COORDINATE_LIMIT),
    st.floats(-COORDINATE_LIMIT, COORDINATE_LIMIT),
)
points = st.lists(coordinates, min_size=2, max_size=2)
exteriors = st.lists(points, min_size=1, max_size=5)
titles = st.sampled_from([*CLASSES, "unmapped"])
vectors = st.one_of(
    st.builds(vector, st.just("polygon"), exteriors, st.lists(st.lists(points)), titles),
    st.builds(vector, st.sampled_from(["line", "polyline"]), exteriors, st.just([]), titles),
    st.builds(vector, st.just("rectangle"), st.tuples(points, points), st.just([]), titles),
    st.builds(vector, st.just("point"), st.tuples(points), st.just([]), titles),
    st.builds(vector, st.sampled_from(["mesh", "Polygon", "wat"]), st.none(), st.none(), titles),
)
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


# ---------------------------------------------------------------- what is refused

NO_SIZE = '"size" with "height" and "width" is missing'
BROKEN = {
    "empty": (b"", "the file is empty"),
    "white space": (b" \r\n\t", "the file is empty"),
    "broken": (b'{"size":\n {,', "not valid JSON at line 2, column 3: "),
    "cut": (annotation(vector("line", [[1, 2]]))[:-9], "not valid JSON at line 1, column "),
    "NaN": (b'{"size":{"height":NaN}}', "not valid JSON at line 1, column 19: "),
    "Infinity": (b'[\n[\n-Infinity]]', "not valid JSON at line 3, column "),
    "infinite": (annotation(5).replace(b"5", b"1e400"), "number is infinity"),
    "not UTF-8": (b'{"size": "\xff"}', "not valid UTF-8"),
    "half a character": (b'{"size": "\\ud800"}', "not valid JSON at line 1, column "),
    "byte order mark": (b"\xef\xbb\xbf{}", "not valid JSON at line 1, column 1: "),
    "two documents": (b"{}{}", "not valid JSON at line 1, column 3: "),
    "deep inside": (annotation(5).replace(b"5", b"[" * 10_000 + b"]" * 10_000), "depth limit"),
    "list": (b"[]", NO_SIZE),
    "no keys": (b"{}", NO_SIZE),
    "size null": (annotation(size=None), NO_SIZE),
    "size list": (annotation(size=[10, 20]), NO_SIZE),
    "objects null": (annotation().replace(b"[]", b"null"), '"objects" is not a list'),
    "objects dict": (annotation().replace(b"[]", b'{"0": {}}'), '"objects" is not a list'),
    "too large": (annotation(size={"height": 1 << 20, "width": (1 << 20) + 1}),
                  "1048577 x 1048576 is more than the 1099511627776 pixels that are supported"),
    "huge": (annotation(size={"height": 2**62, "width": 2**62}), "is more than the 1099511627776"),
}  # fmt: skip


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
    [(0, "0"), (-1, "-1"), (1.0, "1.0"), (True, "true"), ("5", '"5"'), (None, "missing"),
     ([5], "[5]"), (10**30, "1e+30")],
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


PAIRS = "points must be pairs of numbers, as [12, 34.5]"
TYPE = "whose points or bitmap have the wrong type"
FAR = f"is not within {COORDINATE_LIMIT} pixels of the origin"
NO_LISTS: list[Any] = [[], None, 5, "x", {"x": 1}]
NO_PAIRS: list[Any] = [
    ["1", "2"], [1], [[1, 2, 3]], [[1]], [[]], [[1, 2], [3]], [[1, 2], 3], [[[1, 2], [3, 4]]],
    [[["1"]]], [[1, None]], [[None, None]], [["1", "2"]], [["1", 2]], [[1, [2]]], [[1, {}]], [{}],
    [{"x": 1, "y": 2}], ["ab"], [None],
]  # fmt: skip
TOO_FAR: list[Any] = [
    [[1, 1], [1e300, 0]], [[0, -1e300]], [[10**9 + 1, 0]], [[0, -(10**9) - 1]], [[-1e9 - 0.5, 0]],
    [[2**63, 0]], [[2**63, -1]], [[2**64, 0]], [[-(2**63) - 1, 0]], [[0, 10**300]],
]  # fmt: skip
BAD_OBJECTS: list[tuple[Any, str]] = [
    (5, "is not a JSON object"), (None, "is not a JSON object"), ([], "is not a JSON object"),
    ({}, "classTitle is missing or not a text"),
    ({"classTitle": 5}, "classTitle is missing or not a text"),
    ({"classTitle": None, "geometryType": "wat"}, "classTitle is missing or not a text"),
    ({"classTitle": "kiwi"}, "polygon without 'points'"),
    (thing("polygon", points={}), "polygon without 'exterior'"),
    (thing("line", points={"interior": []}), "line without 'exterior'"),
    *((thing("polygon", points=p), f"polygon {TYPE}") for p in (None, 5, "x", [[1, 2]])),
    *((polygon(p), "polygon: points.exterior has no points") for p in NO_LISTS),
    *((polygon(p), PAIRS) for p in NO_PAIRS),
    (polygon([1, 2]), PAIRS),
    *((polygon(p), FAR) for p in TOO_FAR),
    (polygon([[1, 2], [3, 10**10]]), "point [3, 10000000000] is not within"),
    (vector("polygon", [[1, 2]], 5), f"polygon {TYPE}"),
    (vector("polygon", [[1, 2]], [5]), f"polygon {TYPE}"),
    (vector("polygon", [[1, 2]], [[1, 2]]), PAIRS),
    (vector("polygon", [[1, 2]], [[[1, 2, 3]]]), PAIRS),
    (vector("polygon", [[1, 2]], ["ab"]), PAIRS),
    (vector("polygon", [[1, 2]], [[[0, 0]], [[2e9, 0]]]), FAR),
    *((vector("rectangle", [[1, 2]] * n),
       f"rectangle: points.exterior must be two corners, not {n} points") for n in (1, 3, 4)),
    (thing("oriented_bbox", points=[[-1e200, -1e200], [1e200, 1e200]], angle=0), FAR),
    (vector("rectangle", [1, 2]), PAIRS),
    (vector("line", []), "line: points.exterior has no points"),
    (vector("point", []), "point: points.exterior has no points"),
    (vector("point", [1, 2]), PAIRS),
    (thing("bitmap"), "bitmap without 'bitmap'"),
    *((thing("bitmap", bitmap=b), f"bitmap {TYPE}") for b in NO_LISTS[1:4]),
    (thing("bitmap", bitmap={"origin": [1, 2]}), "bitmap without 'data'"),
    (thing("bitmap", bitmap={"data": DATA}), "bitmap without 'origin'"),
    (bitmap([1, 2], 5), "bitmap: bitmap.data is not a text"),
    (bitmap([1, 2], None), "bitmap: bitmap.data is not a text"),
    *((bitmap(origin), PAIRS) for origin in (*NO_LISTS, *NO_PAIRS)),
    (bitmap([2e9, 0]), FAR),
    (bitmap([1, 2], ""), "bitmap.data: "),
    (bitmap([1, 2], "AAAA"), "bitmap.data: "),
    (bitmap([1, 2], DATA[:-8]), "bitmap.data: the zlib stream is cut off"),
]  # fmt: skip
GOOD = [
    polygon([[1, 2], [3.5, 4]]), polygon([[1, 2], [3, 4]]), bitmap([1, 2]), thing("mesh"),
    vector("polygon", None, title="unmapped"), vector("rectangle", [[0, 0], [1, 1]]),
    bitmap([0, 0]),
]  # fmt: skip


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
