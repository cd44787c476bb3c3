"""Colouring against its definition, written with whole arrays."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.encode.color import color_human, color_machine
from savemasks.layers.palette import human_palette, machine_palette

channels = st.integers(0, 255)
colors = st.tuples(channels, channels, channels)
sides = st.integers(1, 20)


def mapping(colors: list[tuple[int, int, int]]) -> dict[str, tuple[int, int, int]]:
    return {f"class {i}": color for i, color in enumerate(colors)}


def random_labels(
    classes: int, height: int, width: int, dtype: type[np.unsignedinteger[Any]]
) -> NDArray[np.unsignedinteger[Any]]:
    rng = np.random.default_rng(classes + height + width)
    return rng.integers(0, classes + 1, (height, width)).astype(dtype)


@settings(max_examples=100, deadline=None)
@given(st.lists(colors, min_size=1, max_size=9), sides, sides)
def test_a_coloured_machine_mask_is_a_look_up(
    colors: list[tuple[int, int, int]], height: int, width: int
) -> None:
    palette = machine_palette(mapping([(1, 2, 3), *colors]))
    labels = random_labels(len(colors) + 1, height, width, palette.label_dtype)
    out = np.empty((height, width, 3), np.uint8)
    color_machine(labels, palette, out)
    assert (out == palette.colors[labels]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(channels, min_size=1, max_size=9), sides, sides)
def test_a_gray_machine_mask_has_one_channel(grays: list[int], height: int, width: int) -> None:
    palette = machine_palette(mapping([(g, g, g) for g in grays]))
    assert palette.is_gray
    labels = random_labels(len(grays), height, width, palette.label_dtype)
    out = np.empty((height, width), np.uint8)
    color_machine(labels, palette, out)
    assert (out == np.array([0, *grays])[labels]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(colors, min_size=1, max_size=9), sides, sides)
def test_a_human_page_is_original_green_column_and_mixture(
    colors: list[tuple[int, int, int]], height: int, width: int
) -> None:
    palette = human_palette(mapping(colors))
    labels = random_labels(len(colors), height, width, palette.label_dtype)
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    kept = image.copy()
    out = np.full((height, 2 * width + 1, 3), 77, np.uint8)
    color_human(image, labels, palette, out)
    table = np.array([(0, 0, 0), *(c if any(c) else (1, 1, 1) for c in colors)])
    mixed = (image.astype(int) + table[labels]) // 2
    assert (out[:, :width] == image).all()
    assert (out[:, width] == (0, 255, 0)).all()
    assert (out[:, width + 1 :] == np.where(labels[..., None] > 0, mixed, image)).all()
    assert (image == kept).all()
    assert image.flags.writeable


@pytest.mark.parametrize(("classes", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_labels_get_as_many_bits_as_they_need(
    classes: int, dtype: type[np.unsignedinteger[Any]]
) -> None:
    titles = [f"class {i}" for i in range(classes)]
    palette = machine_palette({t: (i % 256, 0, 7) for i, t in enumerate(titles)})
    assert palette.label_dtype is dtype
    labels = np.arange(classes + 1, dtype=dtype).reshape(1, -1)
    out = np.empty((1, classes + 1, 3), np.uint8)
    color_machine(labels, palette, out)
    assert out[0].tolist() == [[0, 0, 0], *([i % 256, 0, 7] for i in range(classes))]


def test_black_is_a_colour_for_machines_and_nearly_black_for_people() -> None:
    assert machine_palette({"coal": (0, 0, 0)}).colors.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert human_palette({"coal": (0, 0, 0)}).colors.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_labels_are_looked_up_by_class_number() -> None:
    palette = machine_palette({"b": (1, 1, 1), "d": (2, 2, 2)})
    assert palette.labels({"a": 0, "b": 1, "c": 2, "d": 3}).tolist() == [0, 1, 0, 2]
