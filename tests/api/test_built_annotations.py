"""Annotations and layers that programs build: arrays, tuples and NumPy's numbers for lists."""

import base64
import copy
import zlib
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pytest

import savemasks
from savemasks import jsontext
from support.painters import GRAYS, HEIGHT, WIDTH, annotation, painter
from support.projects import Json

RING = [[3, 2], [30, 4], [28, 19], [5, 17]]
HOLE = [[8, 6], [20, 7], [18, 14]]
PNG = savemasks.encode_png(np.eye(5, dtype=np.uint8) * 255)
TEXT = base64.b64encode(zlib.compress(PNG))


def note(*objects: Any, size: Any = None) -> Json:
    return {"size": size or {"height": HEIGHT, "width": WIDTH}, "objects": [*objects]}


def polygon(exterior: Any, interior: Any = ()) -> Json:
    points = {"exterior": exterior, "interior": interior}
    return {"classTitle": "kiwi", "geometryType": "polygon", "points": points}


def thing(geometry: str, **keys: Any) -> Json:
    return {"classTitle": "kiwi", "geometryType": geometry, **keys}


EXPECTED = note(polygon(RING, [HOLE]))
NUMBERS = [
    np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64,
    np.float16, np.float32, np.float64, np.longdouble, ">i4", ">f8", object,
]  # fmt: skip


def same(built: Any, expected: Json = EXPECTED) -> None:
    """What was built is painted as its JSON, by every method."""
    p = painter()
    made, wanted = p.parse(built), p.parse(expected)
    assert made == wanted
    assert p.labels(built).any()
    assert np.array_equal(p.labels(built), p.labels(expected))
    assert p.instances(built) == p.instances(expected)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_points_may_be_arrays_of_any_numbers(dtype: Any) -> None:
    same(note(polygon(np.array(RING, dtype), [np.array(HOLE, dtype)])))
    same(note(polygon([*np.array(RING, dtype)], [[*np.array(HOLE, dtype)]])))


def test_points_are_floored_as_those_of_json() -> None:
    ring = np.array(RING) + 0.5
    same(note(polygon(ring - 1)), note(polygon((ring - 1).tolist())))


def test_contours_are_taken_as_opencv_finds_them() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.rectangle(mask, (3, 2), (30, 19), 1, cv2.FILLED)
    cv2.rectangle(mask, (9, 6), (20, 14), 0, cv2.FILLED)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer, inner = sorted(contours, key=cv2.contourArea, reverse=True)
    assert outer.shape[1:] == (1, 2)
    plain = note(polygon(outer[:, 0].tolist(), [inner[:, 0].tolist()]))
    same(note(polygon(outer, [inner])), plain)
    same(note(polygon(outer, (inner,))), plain)


@pytest.mark.parametrize(
    "interior",
    [np.array([HOLE]), [np.array(HOLE)], (tuple(map(tuple, HOLE)),), np.array([HOLE], object),
     deque([HOLE])],
)  # fmt: skip
def test_holes_may_be_arrays_too(interior: Any) -> None:
    same(note(polygon(RING, interior)))


@pytest.mark.parametrize(
    "interior", [np.zeros((0, 3, 2)), (), [], None, [np.zeros((0, 2), np.int32)]]
)
@pytest.mark.filterwarnings("ignore:The truth value of an empty array:DeprecationWarning")
def test_there_may_be_no_holes(interior: Any) -> None:
    same(note(polygon(np.array(RING), interior)), note(polygon(RING)))


@pytest.mark.parametrize(
    "objects",
    [(polygon(RING, [HOLE]),), deque([polygon(RING, [HOLE])]),
     np.array([polygon(RING, [HOLE])], object), [MappingProxyType(polygon(RING, [HOLE]))]],
)  # fmt: skip
def test_objects_may_be_any_sequence_and_mappings(objects: Any) -> None:
    same(EXPECTED | {"objects": objects})


@pytest.mark.parametrize("number", [np.int64, np.uint16, np.float32, Fraction, Decimal])
def test_sizes_may_be_any_whole_numbers(number: Any) -> None:
    size = {"height": number(HEIGHT), "width": number(WIDTH)}
    same(note(polygon(RING, [HOLE]), size=size))


def test_the_annotation_itself_may_be_any_mapping() -> None:
    same(MappingProxyType(EXPECTED))
    same(OrderedDict(EXPECTED))
    same(MappingProxyType(note(polygon(np.array(RING), [np.array(HOLE)]))))


@pytest.mark.parametrize(
    ("built", "plain"),
    [
        (thing("bitmap", bitmap={"origin": np.array([4, 5]), "data": TEXT.decode()}),
         thing("bitmap", bitmap={"origin": [4, 5], "data": TEXT.decode()})),
        (thing("bitmap", bitmap={"origin": (np.int32(4), np.float32(5)), "data": TEXT}),
         thing("bitmap", bitmap={"origin": [4, 5], "data": TEXT.decode()})),
        (thing("rectangle", points={"exterior": np.array([[1, 2], [9, 8]])}),
         thing("rectangle", points={"exterior": [[1, 2], [9, 8]]})),
        (thing("line", points={"exterior": ((1, 2), (9, 8))}),
         thing("line", points={"exterior": [[1, 2], [9, 8]]})),
        (thing("point", points={"exterior": np.array([[7, 7]])}),
         thing("point", points={"exterior": [[7, 7]]})),
        (thing("oriented_bbox", points=np.array([[3, 3], [20, 10]]), angle=np.float32(0.5)),
         thing("oriented_bbox", points=[[3, 3], [20, 10]], angle=0.5)),
        (thing("multipolygon", parts=({"exterior": np.array(RING)},)),
         thing("multipolygon", parts=[{"exterior": RING}])),
        (thing("graph", nodes={"a": {"loc": np.array([3, 4])}}),
         thing("graph", nodes={"a": {"loc": [3, 4]}})),
        (thing("cuboid", points=np.array(RING), faces=np.array([[0, 1, 2], [0, 2, 3]])),
         thing("cuboid", points=RING, faces=[[0, 1, 2], [0, 2, 3]])),
    ],
)  # fmt: skip
def test_every_geometry_may_be_built(built: Json, plain: Json) -> None:
    same(note(built), note(plain))
    same(note(polygon(RING), built), note(polygon(RING), plain))


def test_what_was_built_is_only_read() -> None:
    ring = np.array(RING)
    built = note(polygon(ring, (np.array(HOLE),)))
    before = copy.deepcopy(built)
    same(built)
    assert built["objects"][0]["points"]["exterior"] is ring
    assert repr(built) == repr(before)


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (polygon(np.ones((4, 3))), r"must be pairs of numbers.*has \[1\.0, 1\.0, 1\.0\]"),
        (polygon(np.ones(4)), "must be pairs of numbers.*the object has 1.0"),
        (polygon(np.ones((4, 2), bool)), r"must be pairs of numbers.*has \[true, true\]"),
        (polygon(np.ones((4, 2), complex)), "must be pairs of numbers"),
        (polygon(np.full((4, 2), np.nan)), "is not within"),
        (polygon(np.full((4, 2), 1e300)), "is not within"),
        (polygon(np.zeros((0, 2))), "points.exterior has no points"),
        (polygon({(1, 2)}), "points.exterior has no points: a list of them is needed, not"),
        (thing("polygon", points=np.array(RING)), "points has the wrong type: an object is needed"),
        (thing("graph", nodes=np.array(RING)), "nodes has the wrong type: an object is needed"),
        (thing("graph", nodes={"a": [3, 4]}), r"nodes\.a has the wrong type: an object.*\[3, 4\]"),
        (thing("cuboid", points=RING, faces=[["a"]]), r"faces\[0\]\[0\] has the wrong type: a wh"),
        (thing("cuboid", points=RING, faces=[7]), r"faces\[0\] has the wrong type: a list"),
        (thing("multipolygon", parts=[7]), r"parts\[0\] has the wrong type: an object"),
        (thing("oriented_bbox", points=[1, 2], angle=0), r"points\[0\] has the wrong type: a list"),
        (thing("bitmap", bitmap=TEXT), "bitmap has the wrong type: an object is needed"),
    ],
)  # fmt: skip
def test_what_is_really_wrong_is_said_as_it_is(built: Json, message: str) -> None:
    with pytest.raises(savemasks.AnnotationError, match=f"^object 1: .*{message}"):
        painter().labels(note(polygon(RING), built))


def test_an_annotation_that_holds_itself_is_refused() -> None:
    built = note(polygon(np.array(RING)))
    built["objects"].append(built)
    with pytest.raises(savemasks.AnnotationError, match="nested too deeply"):
        painter().labels(built)


def test_what_comes_from_json_is_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take its time."""
    p = painter()
    monkeypatch.setattr(jsontext, "plain", None)
    assert p.labels(annotation()).any()
    with pytest.raises(savemasks.AnnotationError, match="size"):
        p.labels(b"{}")


# ------------------------------------------------------------------ layers


def layer(**settings: Any) -> savemasks.SaveMasks:
    wanted = {"masks_machine": True, "gt_machine_color": GRAYS, **settings}
    return savemasks.SaveMasks.from_json({"action": "save_masks", "dst": "x", "settings": wanted})


@pytest.mark.parametrize(
    "made",
    [np.array, lambda c: np.array(c, np.uint8), tuple, lambda c: [np.uint8(v) for v in c], deque],
)
def test_colours_may_be_arrays(made: Any) -> None:
    colors = {title: made(color) for title, color in GRAYS.items()}
    assert layer(gt_machine_color=MappingProxyType(colors)) == layer()
    human = layer(masks_human=np.True_, gt_human_color=colors, line_width=np.int64(3))
    assert human == layer(masks_human=True, gt_human_color=GRAYS, line_width=3)


def test_a_layer_may_be_any_mapping() -> None:
    settings = MappingProxyType({"masks_machine": True, "gt_machine_color": GRAYS})
    config = {"action": "save_masks", "dst": "x", "settings": settings}
    assert savemasks.SaveMasks.from_json(MappingProxyType(config)) == layer()


@pytest.mark.parametrize(
    ("color", "problem"),
    [
        (np.array([0.5, 1, 1]), r"\[0\]: 0\.5 is not a whole number"),
        (np.array([300, 1, 1]), r"\[0\]: 300 is above 255"),
        (np.array([1, 1]), ": must be a list of three integers"),
        (b"\1\1\1", ": must be a list of three integers"),
    ],
)
def test_wrong_colours_are_told_as_before(color: Any, problem: str) -> None:
    with pytest.raises(savemasks.ConfigError, match=rf"gt_machine_color\.a{problem}"):
        layer(gt_machine_color={"a": color})


# ------------------------------------------------------------------ what no number can be

HUGE = 10**5000  # more digits than Python writes, by default


@pytest.mark.parametrize("huge", [HUGE, -HUGE, Fraction(HUGE)], ids=["large", "small", "fraction"])
@pytest.mark.parametrize(
    "place",
    [
        lambda n: note(size={"height": n, "width": 5}),
        lambda n: note(size={"height": n, "width": n}),
        lambda n: note(polygon([[1, 2], [n, 3], [4, 5]])),
        lambda n: note(polygon([[1, 2], [n], [4, 5]])),
        lambda n: note(polygon(n)),
        lambda n: note(polygon(RING, n)),
        lambda n: note(polygon(RING, [n])),
        lambda n: note(thing("bitmap", bitmap={"origin": [n, 2], "data": TEXT.decode()})),
        lambda n: note(thing("bitmap", bitmap={"origin": [1, 2], "data": n})),
        lambda n: note(thing("bitmap", bitmap=n)),
        lambda n: note(thing("graph", nodes={"a": {"loc": [n, 2]}})),
        lambda n: note(thing("graph", nodes={"a": n})),
        lambda n: note(thing("oriented_bbox", angle=n, points=[[1, 2], [3, 4]])),
        lambda n: note(thing("oriented_bbox", angle=1, points=[[1, n], [3, 4]])),
        lambda n: note(thing("cuboid", points=RING, faces=[[0, n, 2]])),
        lambda n: note(thing("cuboid", points=RING, faces=[n])),
        note,
    ],
)
def test_numbers_of_thousands_of_digits_are_errors_of_the_annotation(place: Any, huge: Any) -> None:
    with pytest.raises(savemasks.AnnotationError) as told:
        painter().labels(place(huge))
    assert len(str(told.value)) < 200


def test_a_point_that_is_too_far_away_is_one_however_many_digits_it_has() -> None:
    with pytest.raises(savemasks.AnnotationError, match=r"point \[-inf, 3\] is not within 1000000"):
        painter().labels(note(polygon([[1, 2], [-HUGE, 3], [4, 5]])))
    with pytest.raises(savemasks.AnnotationError, match="whole number of about 5000 digits"):
        painter().labels(note(size={"height": -HUGE, "width": 5}))


# ------------------------------------------------------------------ holes


@pytest.mark.parametrize("wrong", [{}, {"a": 1}, "", "x", 0, False, 5, {1}])
def test_holes_that_are_no_list_are_refused(wrong: Any) -> None:
    multi = thing("multipolygon", parts=[{"exterior": RING, "interior": wrong}])
    for item, path in ((polygon(RING, wrong), "points"), (multi, r"parts\[0\]")):
        with pytest.raises(
            savemasks.AnnotationError,
            match=rf"^object 1: \w+: {path}\.interior has the wrong type: a list is needed, not ",
        ):
            painter().labels(note(polygon(RING), item))


@pytest.mark.parametrize("wrong", [{}, "", 0, False])
def test_a_hole_that_is_no_list_of_points_is_refused(wrong: Any) -> None:
    with pytest.raises(
        savemasks.AnnotationError, match=r"^object 0: polygon: points\.interior\[1\] has the wrong"
    ):
        painter().labels(note(polygon(RING, [HOLE, wrong])))


@pytest.mark.parametrize("none", [None, [], (), [None], [[]], [()], np.zeros((0, 5, 2))])
def test_no_holes_are_no_holes(none: Any) -> None:
    same(note(polygon(RING, none)), note(polygon(RING, [])))
