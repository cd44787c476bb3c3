"""Windows: a part of the canvas, painted by itself."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import savemasks
from support.painters import HEIGHT, MAPPINGS, WIDTH, annotation, painter, peak
from support.projects import picture, pixels_of


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_window_equals_the_crop_of_the_whole(data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    width = data.draw(st.integers(1, WIDTH - x))
    height = data.draw(st.integers(1, HEIGHT - y))
    mapping = data.draw(st.sampled_from(MAPPINGS))
    order = data.draw(st.sampled_from(["list", "area"]))
    p = painter(mapping, paint_order=order, line_width=data.draw(st.integers(1, 9)))
    shapes = p.parse(annotation(data.draw(st.integers(0, 10**6))))
    window = (x, y, width, height)
    part = np.s_[y : y + height, x : x + width]
    assert np.array_equal(p.labels(shapes, window=window), p.labels(shapes)[part])
    assert np.array_equal(p.machine(shapes, window=window), p.machine(shapes)[part])
    numbers, classes = p.instances(shapes, window=window)
    assert np.array_equal(numbers, p.instances(shapes).numbers[part])
    assert classes == p.instances(shapes).classes
    image = np.random.default_rng(x).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    page = p.human(shapes, image)
    original, painted = page[part], page[:, WIDTH + 1 :][part]
    line = page[y : y + height, WIDTH : WIDTH + 1]
    expected = np.concatenate([original, line, painted], axis=1)
    assert np.array_equal(p.human(shapes, image, window=window), expected)


def test_the_original_of_a_window_may_be_of_any_form(tmp_path: Path) -> None:
    height, width = pixels_of(3).shape[:2]
    note = {**annotation(), "size": {"height": height, "width": width}}
    content, path = picture(3), tmp_path / "a.png"
    path.write_bytes(content)
    turned = np.ascontiguousarray(pixels_of(3).transpose(1, 0, 2)).transpose(1, 0, 2)
    read_only = pixels_of(3)
    read_only.flags.writeable = False
    for window in ((2, 1, 5, 4), (0, 3, width, 2), (0, 0, width, height)):
        expected = painter().human(note, pixels_of(3), window=window)
        out = np.empty_like(expected)
        for image in (content, path, str(path), read_only, turned):
            assert painter().human(note, image, window=window, out=out) is out
            assert np.array_equal(out, expected)
        assert read_only.flags.writeable is False


def test_the_original_of_a_window_is_the_whole_one() -> None:
    p, note = painter(), annotation()
    crop = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(savemasks.ImageError, match="is 5 x 4 pixels, but its annotation says 37"):
        p.human(note, crop, window=(0, 0, 5, 4))
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(
        ValueError, match=r"out must have the shape \(4, 11, 3\), not \(23, 75, 3\)"
    ):
        p.human(note, image, window=(0, 0, 5, 4), out=np.empty((HEIGHT, 2 * WIDTH + 1, 3), "u1"))
    page = np.zeros((4, 11, 3), np.uint8)
    whole = np.lib.stride_tricks.as_strided(page, (HEIGHT, WIDTH, 3), (0, 0, 1))
    with pytest.raises(ValueError, match="image and out must not share memory"):
        p.human(note, whole, window=(0, 0, 5, 4), out=page)


@pytest.mark.parametrize(
    "window",
    [(-1, 0, 5, 5), (0, -1, 5, 5), (33, 0, 5, 5), (0, 19, 5, 5), (0, 0, 38, 1), (99, 99, 1, 1)],
)
def test_windows_that_leave_the_canvas_are_refused(window: tuple[int, ...]) -> None:
    p, note = painter(), annotation()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    human = partial(p.human, image=image)
    calls: tuple[Callable[..., object], ...] = (p.labels, p.machine, p.instances, human)
    for call in calls:
        with pytest.raises(ValueError, match="does not lie inside the canvas of 37 x 23"):
            call(note, window=window)


@pytest.mark.parametrize("window", [(0, 0, 0, 5), (0, 0, 5, -1)])
def test_empty_windows_are_refused(window: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is empty: its sides must be at least 1"):
        painter().labels(annotation(), window=window)


@pytest.mark.parametrize("window", [(0, 0, 5), 7, (0, 0, 5.0, 5), "0055", (0, 0, 1, 1, 1)])
def test_a_window_is_four_whole_numbers(window: Any) -> None:
    with pytest.raises(TypeError, match=r"four whole numbers \(x, y, width, height\), not"):
        painter().labels(annotation(), window=window)


def test_a_window_may_be_of_numpy_numbers() -> None:
    window: Any = np.array([1, 2, 3, 4])
    assert painter().labels(annotation(), window=window).shape == (4, 3)


def test_a_window_allocates_what_it_shows() -> None:
    note = {**annotation(), "size": {"height": 9000, "width": 9000}}
    p = painter()
    image = np.zeros((9000, 9000, 3), np.uint8)
    for call in (p.labels, p.machine, p.instances, partial(p.human, image=image)):
        assert peak(lambda call=call: call(note, window=(20, 10, 64, 32))) < 1 << 20  # type: ignore[misc]
