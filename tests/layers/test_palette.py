"""Palettes: backgrounds, three channels, and the colours of indexed masks."""

import pickle

import numpy as np
import pytest

from savemasks.kernels.encode import lookup
from savemasks.layers.palette import (
    Palette,
    human_palette,
    machine_palette,
    paintable_grays,
    semantic_palette,
)

GRAYS = {"kiwi": (3, 3, 3), "plum": (0, 0, 0), "lemon": (5, 5, 5)}


def test_without_wishes_a_palette_is_as_it_was() -> None:
    plain = machine_palette(GRAYS)
    assert plain == Palette(tuple(GRAYS), np.array([(0,) * 3, *GRAYS.values()], np.uint8))
    assert (plain.is_gray, plain.chunk, plain.has_three_channels) == (True, b"", False)
    assert human_palette(GRAYS).chunk == b""


@pytest.mark.parametrize(("background", "first"), [(255, [255, 255, 255]), ((1, 2, 3), [1, 2, 3])])
def test_the_background_is_the_first_colour(
    background: int | tuple[int, int, int], first: list[int]
) -> None:
    palette = machine_palette(GRAYS, background=background)
    assert palette.colors[0].tolist() == first
    assert palette.colors[1:].tolist() == machine_palette(GRAYS).colors[1:].tolist()
    assert palette.is_gray == (len(set(first)) == 1)
    if palette.grays is not None:
        assert palette.grays.tolist() == palette.colors[:, 1].tolist()
        assert not palette.grays.flags.writeable


def test_three_channels_can_be_had_of_grays() -> None:
    palette = machine_palette(GRAYS, has_three_channels=True)
    assert not palette.is_gray
    assert palette != machine_palette(GRAYS)
    assert np.array_equal(palette.colors, machine_palette(GRAYS).colors)


def test_an_indexed_palette_has_the_colour_of_each_gray() -> None:
    shown = {"kiwi": (10, 20, 30), "lemon": (40, 50, 60)}
    palette = machine_palette(
        {**GRAYS, "twin": (5, 5, 5), "pear": (7, 7, 7)}, background=9, shown_in=shown
    )
    assert palette.is_gray
    assert palette.index_colors is not None
    expected = [(0,) * 3] * 3 + [(10, 20, 30), (0,) * 3, (40, 50, 60), (0,) * 3, (7,) * 3]
    assert palette.index_colors.tolist() == [[*c] for c in [*expected, (0,) * 3, (0,) * 3]]
    assert len(palette.chunk) == 30
    assert not palette.index_colors.flags.writeable


def test_palettes_are_values() -> None:
    made = [
        machine_palette(GRAYS),
        machine_palette(GRAYS, background=9),
        machine_palette(GRAYS, has_three_channels=True),
        machine_palette(GRAYS, shown_in={}),
        machine_palette(GRAYS, shown_in={"kiwi": (1, 2, 3)}),
    ]
    assert len(set(made)) == len(made)
    for palette in made:
        again = pickle.loads(pickle.dumps(palette))
        assert again == palette
        assert hash(again) == hash(palette)


def test_a_semantic_palette_numbers_its_colours() -> None:
    colors = {"a": (1, 2, 3), "b": (0, 0, 0), "c": (1, 2, 3), "d": (9, 9, 9)}
    palette = semantic_palette(colors, is_indexed=True)
    assert palette.colors[:, 0].tolist() == [0, 1, 0, 1, 2]
    assert palette.index_colors is not None
    assert palette.index_colors.tolist() == [[0, 0, 0], [1, 2, 3], [9, 9, 9]]
    assert palette.is_gray
    plain = semantic_palette(colors, is_indexed=False)
    assert (plain.is_gray, plain.chunk) == (False, b"")
    assert plain.colors[1:].tolist() == [[*color] for color in colors.values()]


@pytest.mark.parametrize(("count", "is_indexed"), [(255, True), (256, False)])
def test_more_than_256_colours_make_rgb(count: int, is_indexed: bool) -> None:
    colors = {str(i): (i % 256, 1 + i // 256, 0) for i in range(count)}
    assert semantic_palette(colors, is_indexed=True).is_gray == is_indexed
    colors |= {"again": (0, 1, 0), "black": (0, 0, 0)}
    assert semantic_palette(colors, is_indexed=True).is_gray == is_indexed


@pytest.mark.parametrize("background", [0, 3, 255])
@pytest.mark.parametrize("blacks", [0, 1, 2])
def test_what_is_painted_at_once_becomes_what_colouring_gives(background: int, blacks: int) -> None:
    colors = {"a": (1, 1, 1), "b": (2, 2, 2)} | {f"k{i}": (0, 0, 0) for i in range(blacks)}
    palette = machine_palette(colors, background=background)
    found = paintable_grays(palette, palette.labels(["other", *colors]))
    assert found is not None
    assert found.of_class[0] == 0  # not painted
    painted = np.array([[0, *found.of_class[1:]]], palette.colors.dtype)
    if found.table is not None:
        lookup.gray(painted, found.table, painted)
    assert painted[0].tolist() == palette.colors[:, 0].tolist()
    assert (found.of_class[1:] != 0).all()  # all of them cover
    assert (found.table is None) == (not background and not blacks)
