"""Windows that leave the canvas, padding, other scales, and memory with gaps between its rows."""

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import savemasks
from support.painters import (
    GRAYS,
    HEIGHT,
    MANY,
    MAPPINGS,
    WIDTH,
    annotation,
    mask_data,
    painter,
    peak,
)
from support.projects import Json

FILL = 255


def sides(data: st.DataObject) -> tuple[int, int, int, int]:
    """A window that may leave the canvas on all sides, or not touch it."""
    x, y = data.draw(st.integers(-60, 60)), data.draw(st.integers(-60, 60))
    return x, y, data.draw(st.integers(1, 80)), data.draw(st.integers(1, 80))


def beyond(labels: NDArray[Any], window: tuple[int, int, int, int], fill: int) -> NDArray[Any]:
    """The plain twin: a large canvas of `fill`, from which the window is cut."""
    x, y, width, height = window
    room = np.pad(labels, 200, constant_values=fill)
    return room[200 + y : 200 + y + height, 200 + x : 200 + x + width]


def moved(note: Json, dx: int, dy: int, size: tuple[int, int]) -> Json:
    """The same objects elsewhere on another canvas."""
    objects = []
    for item in note["objects"]:
        if "bitmap" in item:
            x, y = item["bitmap"]["origin"]
            where: Json = {"bitmap": {**item["bitmap"], "origin": [x + dx, y + dy]}}
        else:
            rings = {
                "exterior": [[x + dx, y + dy] for x, y in item["points"]["exterior"]],
                "interior": [
                    [[x + dx, y + dy] for x, y in ring] for ring in item["points"]["interior"]
                ],
            }
            where = {"points": rings}
        objects.append({**item, **where})
    return {"size": {"height": size[0], "width": size[1]}, "objects": objects}


# ------------------------------------------------------------------ beyond the canvas


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_beyond_the_canvas_there_is_the_fill(data: st.DataObject) -> None:
    p = painter(data.draw(st.sampled_from(MAPPINGS)), paint_order="area", line_width=3)
    shapes = p.parse(annotation(data.draw(st.integers(0, 10**6))))
    window = sides(data)
    fill = data.draw(st.sampled_from([0, 1, FILL]))
    expected = beyond(p.labels(shapes), window, fill)
    found = p.labels(shapes, window=window, fill=fill)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    out = np.full(expected.shape, 77, expected.dtype)
    assert p.labels(shapes, window=window, fill=fill, out=out) is out
    assert np.array_equal(out, expected)


def test_without_a_fill_a_window_must_not_leave_the_canvas() -> None:
    for options in ({}, {"pad": 3}, {"size": (4, 4)}):
        with pytest.raises(ValueError, match="does not lie inside the canvas of 37 x 23"):
            painter().labels(annotation(), window=(-1, 0, 5, 5), **options)


@pytest.mark.parametrize(("pad", "widths"), [(2, (2, 2, 2, 2)), ((1, 0, 3, 5), (1, 0, 3, 5))])
def test_padding_is_added_to_what_is_shown(pad: Any, widths: tuple[int, ...]) -> None:
    p, note = painter(), annotation()
    left, top, right, bottom = widths
    for window in (None, (3, 4, 10, 11)):
        for fill in (None, FILL):
            expected = np.pad(
                p.labels(note, window=window),
                ((top, bottom), (left, right)),
                constant_values=fill or 0,
            )
            assert np.array_equal(p.labels(note, window=window, pad=pad, fill=fill), expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fill": 256}, ValueError, "fill must be from 0 to 255, as labels of uint8, not 256"),
        ({"fill": -1}, ValueError, "fill must be from 0 to 255"),
        ({"fill": 2.0}, TypeError, "fill must be a whole number, not 2.0"),
        ({"pad": -1}, ValueError, "pad must not be below 0, but is -1"),
        ({"pad": (1, 2)}, TypeError, "pad must be one or four whole numbers"),
        ({"pad": 1.5}, TypeError, "pad must be one or four whole numbers"),
        ({"size": 5}, TypeError, r"size must be two whole numbers \(height, width\), not 5"),
        ({"size": (5, 5.5)}, TypeError, "size must be two whole numbers"),
        ({"size": (0, 5)}, ValueError, "a result of height 0 and width 5 cannot be made"),
        ({"size": (5, 1 << 40)}, ValueError, "cannot be made"),
        ({"size": (5, 5), "scale": 1}, ValueError, "give size or scale, not both"),
        ({"scale": "1"}, TypeError, "scale must be a number, not str"),
        ({"scale": True}, TypeError, "scale must be a number, not bool"),
        ({"scale": 0}, ValueError, "scale must be above 0 and below 1000000000, not 0"),
        ({"scale": float("nan")}, ValueError, "above 0 and below 1000000000, not nan"),
        ({"scale": float("inf")}, ValueError, "scale must be above 0"),
        ({"window": (0, 0, 1 << 40, 1), "fill": 0}, ValueError, "is too large"),
        ({"window": (0, 0, 0, 1), "fill": 0}, ValueError, "is empty"),
        ({"size": (4, 4), "out": np.empty((4, 5), "u1")}, ValueError, "out must have the shape"),
    ],
)
def test_wrong_arguments_are_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        painter().labels(annotation(), **options)


def test_a_fill_may_be_any_label_of_its_dtype() -> None:
    p = painter(MANY)
    assert p.labels(annotation(), window=(-1, 0, 1, 1), fill=65_535).tolist() == [[65_535]]


# ------------------------------------------------------------------ other scales


def scaled_twin(note: Json, window: tuple[int, int, int, int], size: tuple[int, int]) -> Json:
    """The annotation of the result, by exact fractions; its bitmaps are left out."""
    x, y, width, height = window
    down, across = Fraction(size[0], height), Fraction(size[1], width)

    def place(point: list[float]) -> list[int]:
        return [
            floor((floor(point[0]) + Fraction(1, 2) - x) * across),
            floor((floor(point[1]) + Fraction(1, 2) - y) * down),
        ]

    objects = [
        {
            **item,
            "points": {
                "exterior": [place(p) for p in item["points"]["exterior"]],
                "interior": [[place(p) for p in ring] for ring in item["points"]["interior"]],
            },
        }
        for item in note["objects"]
        if "points" in item
    ]
    return {"size": {"height": size[0], "width": size[1]}, "objects": objects}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_vertices_go_where_the_middle_of_their_pixel_comes_to_lie(data: st.DataObject) -> None:
    p = painter(line_width=data.draw(st.integers(1, 4)))
    note = annotation(data.draw(st.integers(0, 10**6)))
    note["objects"] = [item for item in note["objects"] if "points" in item]
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    width = data.draw(st.integers(1, WIDTH - x))
    height = data.draw(st.integers(1, HEIGHT - y))
    size = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    window = (x, y, width, height)
    expected = p.labels(scaled_twin(note, window, size))
    assert np.array_equal(p.labels(note, window=window, size=size), expected)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_bitmaps_are_shown_by_their_nearest_pixels(data: st.DataObject) -> None:
    p = painter()
    note = annotation()
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    note["objects"] = [
        {"classTitle": title, "geometryType": "bitmap",
         "bitmap": {"origin": random.integers(-20, 40, 2).tolist(),
                    "data": mask_data(int(random.integers(1, 30)), int(random.integers(1, 30)))}}
        for title in GRAYS
    ]  # fmt: skip
    window = sides(data)
    width, height = window[2:]
    size = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    rows = [floor(Fraction(2 * i + 1, 2) * height / size[0]) for i in range(size[0])]
    columns = [floor(Fraction(2 * i + 1, 2) * width / size[1]) for i in range(size[1])]
    expected = beyond(p.labels(note), window, FILL)[np.ix_(rows, columns)]
    assert np.array_equal(p.labels(note, window=window, size=size, fill=FILL), expected)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_scaled_windows_that_leave_the_canvas(data: st.DataObject) -> None:
    """As on a larger canvas, and `fill` where the pixel's middle lies beyond the true one."""
    p = painter(paint_order="area", class_priority=["kiwi"])
    note = annotation(data.draw(st.integers(0, 10**6)))
    x, y, width, height = window = sides(data)
    size = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    room = moved(note, 200, 200, (500, 500))
    expected = p.labels(room, window=(x + 200, y + 200, width, height), size=size)
    rows = [y + floor(Fraction(2 * i + 1, 2) * height / size[0]) for i in range(size[0])]
    columns = [x + floor(Fraction(2 * i + 1, 2) * width / size[1]) for i in range(size[1])]
    expected[[not 0 <= row < HEIGHT for row in rows]] = FILL
    expected[:, [not 0 <= column < WIDTH for column in columns]] = FILL
    assert np.array_equal(p.labels(note, window=window, size=size, fill=FILL), expected)
    padded = p.labels(note, window=window, size=size, fill=FILL, pad=(1, 2, 3, 4))
    assert np.array_equal(padded, np.pad(expected, ((2, 4), (1, 3)), constant_values=FILL))


def test_a_scale_is_a_short_way_to_say_a_size() -> None:
    p, note = painter(), annotation()
    for scale, size in ((1, (23, 37)), (0.5, (12, 18)), (np.float32(2), (46, 74)), (1e-9, (1, 1))):
        found = p.labels(note, scale=scale)  # type: ignore[arg-type]
        assert found.shape == size
        assert np.array_equal(found, p.labels(note, size=size))
    assert np.array_equal(p.labels(note, scale=1), p.labels(note))
    assert p.labels(note, window=(1, 1, 10, 20), scale=0.25).shape == (5, 2)


def test_at_another_scale_the_same_objects_lie_on_top() -> None:
    """By the areas of the annotation, not by those of the result, where two may be alike."""
    corners = {"lemon": [[0, 0], [8, 8]], "kiwi": [[0, 0], [9, 9]]}
    note = {
        "size": {"height": 100, "width": 100},
        "objects": [
            {"classTitle": title, "geometryType": "rectangle",
             "points": {"exterior": points, "interior": []}}
            for title, points in corners.items()
        ],
    }  # fmt: skip
    p = painter(paint_order="area")
    lemon = p.label2id["lemon"]
    assert p.labels(note)[0, 0] == lemon
    assert p.labels(note, size=(3, 3))[0, 0] == lemon


def test_vertices_too_far_away_at_a_scale_are_refused() -> None:
    note = annotation(objects=0)
    far = {"exterior": [[0, 0], [10**9, 10]], "interior": []}
    note["objects"] = [{"classTitle": "kiwi", "geometryType": "line", "points": far}]
    assert painter().labels(note, scale=0.9).any()
    with pytest.raises(ValueError, match="a vertex is more than 1000000000 pixels from the window"):
        painter().labels(note, scale=1.1)


def test_a_scaled_window_allocates_what_it_shows() -> None:
    note = {**annotation(), "size": {"height": 9000, "width": 9000}}
    p = painter()
    assert peak(lambda: p.labels(note, size=(32, 64))) < 1 << 20
    assert peak(lambda: p.labels(note, window=(-100, -100, 9500, 300), fill=1, scale=0.1)) < 1 << 20


# ------------------------------------------------------------------ memory with gaps


@pytest.mark.parametrize("mapping", [GRAYS, MANY])
def test_rows_may_lie_apart(mapping: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    p = painter(mapping, paint_order="area", line_width=3)
    for pixels in (1 << 18, 100, 1):  # all rows at once, few, one
        monkeypatch.setattr("savemasks.api.views._BAND_PIXELS", pixels)
        for seed in range(10):
            shapes = p.parse(annotation(seed))
            expected, numbers = p.labels(shapes), p.instances(shapes).numbers
            batch = np.full((2, HEIGHT + 3, WIDTH + 5), 77, expected.dtype)
            part = batch[1, 2 : HEIGHT + 2, 4 : WIDTH + 4]
            assert p.labels(shapes, out=part) is part
            assert np.array_equal(part, expected)
            part[:] = 77
            assert (batch == 77).all()  # nothing else was touched
            upside_down = batch[0, HEIGHT - 1 :: -1, :WIDTH]
            assert np.array_equal(p.labels(shapes, out=upside_down), expected)
            wide = np.zeros((HEIGHT, WIDTH + 1), np.int32)
            assert np.array_equal(p.instances(shapes, out=wide[:, 1:]).numbers, numbers)
            assert not wide[:, 0].any()
            view = batch[0, :8, :9]
            assert np.array_equal(p.labels(shapes, window=(-3, -3, 9, 8), fill=1, out=view),
                                  beyond(expected, (-3, -3, 9, 8), 1))  # fmt: skip


def test_columns_may_not() -> None:
    p, note = painter(), annotation()
    with pytest.raises(ValueError, match="out must be C-contiguous, but its strides are"):
        p.labels(note, out=np.empty((HEIGHT, 2 * WIDTH), np.uint8)[:, ::2])
    out = savemasks.Painter.labels(p, note, out=np.empty((HEIGHT + 1, WIDTH), np.uint8)[1:])
    assert np.array_equal(out, p.labels(note))
