"""`Shapes.from_arrays`: shapes without JSON, and what is refused before a kernel sees it."""

import pickle
from typing import Any

import numpy as np
import pytest

from savemasks import Shapes
from savemasks.shapes import BITMAP, FACE, LINE, POINT, POLYGON, RECTANGLE
from support.painters import GRAYS, annotation, painter

CLASSES = {"kiwi": 0, "lemon": 1}
GOOD: dict[str, Any] = {
    "size": (10, 12),
    "kind": [POLYGON, RECTANGLE, LINE, POINT, BITMAP, FACE],
    "class_id": [0, 1, 0, 1, 0, 1],
    "xy": [[1, 1], [5, 1], [3, 6], [2, 2], [3, 2], [3, 3], [0, 0], [4, 4], [5, 9], [7, 7], [8, 1],
           [2, 2], [9, 0], [9, 9], [5, 5]],
    "vertex": [0, 3, 6, 8, 10, 11, 12, 15],
    "ring": [0, 2, 3, 4, 5, 6, 7],
    "masks": [np.ones((2, 3), np.bool_)],
    "classes": CLASSES,
}  # fmt: skip
GOOD["vertex"] = [0, 3, 6, 8, 10, 11, 12, 15]


@pytest.mark.parametrize("seed", range(20))
def test_they_paint_as_those_of_an_annotation(seed: int) -> None:
    p = painter(GRAYS, paint_order="area", line_width=2)
    parsed = p.parse(annotation(seed))
    masks = [
        np.unpackbits(
            parsed.masks.bits[start:stop].reshape(height, -1), axis=1, count=width
        ).astype(np.bool_)
        for start, stop, (height, width) in zip(
            parsed.masks.start[:-1], parsed.masks.start[1:], parsed.masks.shape, strict=True
        )
    ]
    made = Shapes.from_arrays(
        (parsed.height, parsed.width),
        parsed.kind.astype(np.int64),
        parsed.class_id.tolist(),
        parsed.xy + 0.75,
        vertex=parsed.vertex.astype(np.uint16),
        ring=parsed.ring,
        object_index=parsed.object_index,
        masks=masks,
        classes=p.classes,
    )
    for name in ("kind", "class_id", "object_index", "ring", "vertex", "xy", "payload"):
        given, expected = getattr(made, name), getattr(parsed, name)
        assert given.dtype == expected.dtype, name
        assert np.array_equal(given, expected), name
        assert not np.shares_memory(given, expected), name
    assert np.array_equal(made.masks.bits, parsed.masks.bits)
    for shapes in (made, pickle.loads(pickle.dumps(made))):
        assert np.array_equal(p.labels(shapes), p.labels(parsed))
        assert np.array_equal(p.instances(shapes).numbers, p.instances(parsed).numbers)
        assert np.array_equal(p.targets(shapes)["masks"], p.targets(parsed)["masks"])


def test_one_ring_and_one_object_each_is_the_default() -> None:
    shapes = Shapes.from_arrays(
        (4, 6), [RECTANGLE] * 2, [0, 1], [[1, 1], [3, 2], [3, 2], [4, 3]], vertex=[0, 2, 4],
        classes=CLASSES,
    )  # fmt: skip
    assert shapes.ring.tolist() == [0, 1, 2]
    assert shapes.object_index.tolist() == [0, 1]
    assert painter({"kiwi": [1] * 3, "lemon": [2] * 3}, {}).labels(shapes).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 2, 2, 0],
        [0, 0, 0, 2, 2, 0],
    ]


def test_there_may_be_nothing() -> None:
    shapes = Shapes.from_arrays((4, 6), [], [], [], vertex=[0], classes=CLASSES)
    p = painter({"kiwi": [1] * 3, "lemon": [2] * 3}, {})
    assert not p.labels(shapes).any()
    assert p.targets(shapes)["boxes"].shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"size": (0, 5)}, ValueError, "height and width must be from 1 to 1000000000"),
        ({"size": 5}, TypeError, r"size must be two whole numbers \(height, width\), not 5"),
        ({"kind": [0, 1, 2, 3, 4, 6]}, ValueError, r"kind\[5\] is 6, but must be from 0 to 5"),
        ({"kind": [0.0] * 6}, TypeError, "kind must be whole numbers, not float64"),
        ({"kind": [[0] * 6]}, ValueError, r"kind must have the shape \(n,\), not \(1, 6\)"),
        ({"class_id": [0, 2, 0, 0, 0, 0]}, ValueError, r"class_id\[1\] is 2, but must be from 0"),
        ({"class_id": [-1] * 6}, ValueError, r"class_id\[0\] is -1"),
        ({"class_id": [0]}, ValueError, "class_id must have 6 entries for 6 shapes, not 1"),
        ({"object_index": [0, 1, 2, 3, 4]}, ValueError, "object_index must have 6 entries"),
        ({"object_index": [0, 1, 2, 3, 2, 5]}, ValueError, r"object_index\[4\] is below the one"),
        ({"object_index": [0, 1, 2, 3, 4, 1 << 31]}, ValueError, r"object_index\[5\] is 21474836"),
        ({"xy": [["1", "2"]]}, TypeError, "xy must be numbers, not <U1"),
        ({"xy": [1, 2, 3]}, ValueError, r"xy must have the shape \(v, 2\), not \(3,\)"),
        ({"xy": [[0, 0]] * 14 + [[float("nan"), 0]]}, ValueError, r"xy\[14\] is \[nan, 0.0\]"),
        ({"xy": [[0, 0]] * 14 + [[0, 10**9 + 1]]}, ValueError, "must be within 1000000000 pixels"),
        ({"xy": [[0, 0]] * 14}, ValueError, r"vertex\[7\] is 15, but must be from 0 to 14"),
        ({"xy": [[0, 0]] * 16}, ValueError, "vertex must begin with 0 and end with 16"),
        ({"vertex": [1, 3, 6, 8, 10, 11, 12, 15]}, ValueError, "vertex must begin with 0"),
        ({"vertex": [0, 3, 3, 8, 10, 11, 12, 15]}, ValueError, r"vertex\[2\] must be above"),
        ({"vertex": [0, 6, 3, 8, 10, 11, 12, 15]}, ValueError, r"vertex\[2\] must be above"),
        ({"vertex": []}, ValueError, "vertex must begin with 0 and end with 15"),
        ({"ring": [0, 2, 3, 4, 5, 6, 8]}, ValueError, r"ring\[6\] is 8, but must be from 0 to 7"),
        ({"ring": [0, 2, 3, 4, 5, 7]}, ValueError, "ring must have 7 entries for 6 shapes, not 6"),
        ({"ring": None}, ValueError, "ring must begin with 0 and end with 7"),
        ({"ring": [0, 1, 3, 4, 5, 6, 7]}, ValueError, "shape 1: a rectangle has one ring"),
        ({"vertex": [0, 3, 6, 7, 10, 11, 12, 15]}, ValueError, "shape 1: a rectangle has verti"),
        ({"vertex": [0, 3, 6, 8, 10, 12, 13, 15]}, ValueError, "shape 3: a point has vertices: 1"),
        ({"masks": []}, ValueError, "masks must have 1 entries for 6 shapes, not 0"),
        ({"masks": [np.ones((2, 3), np.uint8)]}, TypeError, r"masks\[0\] must be an array"),
        ({"masks": [np.ones((2, 0), np.bool_)]}, ValueError, r"masks\[0\] is empty"),
        ({"classes": ["kiwi"]}, TypeError, "classes must be a mapping, not list"),
    ],
)
def test_what_is_wrong_is_named(changes: Any, error: type[Exception], message: str) -> None:
    assert len(Shapes.from_arrays(**GOOD)) == 6
    with pytest.raises(error, match=message):
        Shapes.from_arrays(**{**GOOD, **changes})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float64])
def test_vertices_of_any_dtype_are_floored(dtype: Any) -> None:
    xy = np.array(GOOD["xy"], dtype)
    assert Shapes.from_arrays(**{**GOOD, "xy": xy}).xy.tolist() == GOOD["xy"]
    if dtype == np.float64:
        low = Shapes.from_arrays(**{**GOOD, "xy": xy - 0.25})
        assert low.xy.tolist() == [[x - 1, y - 1] for x, y in GOOD["xy"]]
