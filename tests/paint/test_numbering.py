"""Objects by themselves and maps of their numbers, compared with OpenCV and plain NumPy."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from savemasks.paint.numbering import (
    Numbering,
    Seen,
    paint_class,
    paint_object,
    painted_objects,
)
from savemasks.parse.annotation import parse
from savemasks.shapes import Shapes
from support.annotations import annotation, bitmap, thing, vector

CLASSES = {"kiwi": 0, "lemon": 1, "plum": 2}
ALL = np.ones(3, np.uint8)
HEART = [[0, 1, 1, 0], [1, 1, 1, 1]]


def shapes_of(*objects: Any) -> Shapes:
    return parse(annotation(*objects), CLASSES)


EVERYTHING = (
    vector("polygon", [[1, 1], [12, 1], [12, 8]], [[[8, 3], [10, 3], [10, 5]]]),
    thing("unknown"),
    thing("multipolygon", "lemon", parts=[{"exterior": [[0, 0], [2, 2]]},
                                          {"exterior": [[15, 5], [18, 5], [18, 9]]}]),
    vector("rectangle", [[9, 2], [16, 6]], title="nobody's"),
    vector("rectangle", [[3, 4], [9, 7]], title="plum"),
    bitmap([5, 5]),
    vector("rectangle", [[30, 30], [40, 40]]),
)  # fmt: skip


def test_objects_have_their_places_classes_and_shapes() -> None:
    shapes = shapes_of(*EVERYTHING)
    found = painted_objects(shapes, ALL)
    assert [(o.object_index, o.class_id, o.order.tolist()) for o in found] == [
        (0, 0, [0]), (2, 1, [1, 2]), (4, 2, [3]), (5, 0, [4]), (6, 0, [5]),
    ]  # fmt: skip
    some = painted_objects(shapes, np.array([0, 7, 9]))
    assert [o.object_index for o in some] == [2, 4]
    assert painted_objects(shapes_of(), ALL) == []


def test_an_object_is_whole_whatever_covers_it() -> None:
    shapes = shapes_of(*EVERYTHING)
    expected = np.zeros((10, 20), np.uint8)
    cv2.fillPoly(expected, [np.array([[1, 1], [12, 1], [12, 8]])], 255)
    cv2.fillPoly(expected, [np.array([[8, 3], [10, 3], [10, 5]])], 0)
    out = np.full((10, 20), 9, np.uint8)
    first, *_, last = painted_objects(shapes, ALL)
    paint_object(shapes, first, out)
    assert np.array_equal(out, expected)
    paint_object(shapes, last, out)
    assert not out.any()
    window = np.full((4, 7), 9, np.uint8)
    paint_object(shapes, first, window, value=3, corner=(6, 2))
    assert np.array_equal(window, expected[2:6, 6:13] // 85)


def test_a_class_is_the_union_of_its_objects() -> None:
    shapes = shapes_of(*EVERYTHING)
    for class_id in range(3):
        union = np.zeros((10, 20), np.uint8)
        for each in painted_objects(shapes, ALL):
            if each.class_id == class_id:
                alone = np.empty((10, 20), np.uint8)
                paint_object(shapes, each, alone)
                union |= alone
        out = np.full((10, 20), 9, np.uint8)
        paint_class(shapes, class_id, out)
        assert np.array_equal(out, union)
        assert out.any()


@pytest.mark.parametrize("first", [0, 250, 255, 65_530, 65_533, 70_000])
def test_the_topmost_object_has_its_number(first: int) -> None:
    rectangles = [vector("rectangle", [[2 * i, i], [2 * i + 4, i + 3]]) for i in range(5)]
    shapes = shapes_of(*rectangles)
    shapes.object_index = shapes.object_index + np.int32(first)
    numbering = Numbering.of(shapes, ALL)
    assert numbering.most == first + 5
    assert np.iinfo(numbering.dtype).max >= first + 5
    assert np.dtype(numbering.dtype).itemsize == (1 if first < 251 else 2 if first < 65_531 else 4)
    expected = np.zeros((10, 20), np.int64)
    for i in range(5):
        expected[i : i + 4, 2 * i : 2 * i + 5] = first + i + 1
    found = np.empty((10, 20), numbering.dtype)
    numbering.paint(shapes, found)
    assert np.array_equal(found, expected)
    order = np.arange(5)[::-1].copy()
    before = int(found[3, 4])
    numbering.paint(shapes, found, order=order)
    assert int(found[3, 4]) == first + 1 != before


def test_what_is_not_painted_has_no_number_and_leaves_the_others_theirs() -> None:
    shapes = shapes_of(*EVERYTHING)
    numbering = Numbering.of(shapes, np.array([0, 1, 0]))
    assert numbering.numbers.tolist() == [0, 0, 3, 0, 0, 0, 0]
    assert (numbering.most, Numbering.of(shapes_of(), ALL).most) == (3, 0)


def seen_by_numpy(numbers: NDArray[Any], most: int) -> list[tuple[int, int, list[int] | None]]:
    found: list[tuple[int, int, list[int] | None]] = []
    for number in range(1, most + 1):
        rows, columns = np.nonzero(numbers == number)
        box = None
        if rows.size:
            x, y = int(columns.min()), int(rows.min())
            box = [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]
        found.append((number, rows.size, box))
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_seen_is_what_numpy_counts_in_any_strips(dtype: Any, data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 200)))
    small = data.draw(arrays.arrays(np.uint8, size, elements=st.integers(0, 3)))
    numbers = np.repeat(small, data.draw(st.integers(1, 20)), axis=1).astype(np.int64)
    most = 200 if dtype is np.uint8 else 300
    numbers[numbers == 3] = most
    seen = Seen(most)
    cut = data.draw(st.integers(0, size[0]))
    for top, part in ((0, numbers[:cut]), (cut, numbers[cut:])):
        seen.add(np.ascontiguousarray(part).astype(dtype), top)
    assert [*seen] == seen_by_numpy(numbers, most)


def test_nothing_is_seen_of_nothing() -> None:
    seen = Seen(0)
    seen.add(np.zeros((3, 4), np.uint8))
    assert [*seen] == []
