"""2D cuboids as faces, compared with OpenCV; and the ids of objects."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from savemasks.errors import AnnotationError
from savemasks.paint.labels import paint_labels
from savemasks.paint.order import paint_order
from savemasks.parse import pieces
from savemasks.parse.annotation import parse
from savemasks.parse.builder import LENIENT, Rules
from savemasks.shapes import FACE, LINE, POINT
from support.annotations import CLASSES, Json, annotation, polygon, thing

FACES = Rules(cuboid_faces=True)
NAMES = ("topleft", "topright", "bottomright", "bottomleft")
FILLED = ((0, 1, 2, 3), (0, 1, 5, 4), (1, 5, 6, 2), (3, 2, 6, 7), (0, 4, 7, 3))
MARGIN = 30


def cuboid(places: NDArray[np.int64], hidden: int | None = None) -> Json:
    names = [f"face{face}-{name}" for face in (1, 2) for name in NAMES]
    nodes = {name: {"loc": place} for name, place in zip(names, places.tolist(), strict=True)}
    if hidden is not None:
        nodes[names[hidden]]["disabled"] = True
    return thing("cuboid_2d", vertices=nodes)


def filled(places: NDArray[np.int64], hidden: int | None = None) -> NDArray[np.uint8]:
    canvas = np.zeros((10 + 2 * MARGIN, 20 + 2 * MARGIN), np.uint8)
    for face in FILLED:
        if hidden not in face:
            cv2.fillPoly(canvas, [(places[[*face]] + MARGIN).astype(np.int32)], 1)
    return canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]


def painted(item: Json, rules: Rules = FACES) -> NDArray[np.uint8]:
    shapes = parse(annotation(item), {"kiwi": 0}, rules=rules)
    out = np.empty((10, 20), np.uint8)
    paint_labels(shapes, np.ones(1, np.uint8), out)
    return out


@pytest.mark.parametrize("hidden", [None, 0, 2, 6, 7])
def test_faces_are_filled_as_by_opencv(hidden: int | None) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        places = rng.integers(-8, 28, (8, 2))
        assert np.array_equal(painted(cuboid(places, hidden), FACES), filled(places, hidden))


def test_the_front_and_four_sides_are_faces_and_without_the_wish_there_are_edges() -> None:
    item = cuboid(np.arange(16).reshape(8, 2))
    faces = parse(annotation(item), CLASSES, rules=FACES)
    assert faces.kind.tolist() == [FACE] * 5
    assert faces.object_index.tolist() == [0] * 5
    edges = parse(annotation(item), CLASSES, rules=LENIENT)
    assert edges.kind.tolist() == [LINE] * 12 + [POINT] * 8


def test_a_cuboid_has_no_area_so_it_lies_above_what_has_one() -> None:
    large = np.array([[0, 0], [15, 0], [15, 9], [0, 9]] * 2)
    small = polygon([[1, 1], [3, 1], [3, 3]])
    shapes = parse(annotation(cuboid(large), small), CLASSES, rules=FACES)
    order = paint_order(shapes, by_area=True, rank_of_class=None)
    assert order.tolist() == [5, 0, 1, 2, 3, 4]


def test_a_cuboid_without_places_is_refused_either_way() -> None:
    broken = thing("cuboid_2d", vertices={"face1-topleft": {}})
    for rules in (FACES, LENIENT):
        with pytest.raises(AnnotationError, match="cuboid_2d without 'loc'"):
            parse(annotation(broken), CLASSES, rules=rules)


# ---------------------------------------------------------------- ids


def test_ids_are_read_when_asked_for() -> None:
    item = polygon([[1, 1], [3, 1], [3, 3]])
    things = [{**item, "id": each} for each in (7, "x", None, True, 1 << 60)]
    things += [item, {**item, "classTitle": "no", "id": 3}]
    ids: dict[int, int | str] = {}
    shapes = parse(annotation(*things), CLASSES, ids=ids)
    assert ids == {0: 7, 1: "x", 4: 1 << 60, 6: 3}
    assert shapes == parse(annotation(*things), CLASSES)


def test_ids_of_large_annotations_are_numbered_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 200)
    monkeypatch.setattr("savemasks.parse.annotation.LARGE", 1)
    item = polygon([[1, 1], [3, 1], [3, 3]])
    ids: dict[int, int | str] = {}
    parse(annotation(*({**item, "id": 1000 + i} for i in range(50))), CLASSES, ids=ids)
    assert ids == {i: 1000 + i for i in range(50)}
