"""Averages of areas, compared with OpenCV and with exact fractions."""

from fractions import Fraction
from itertools import pairwise
from math import floor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.encode.scale import AreaScaler, scaled_side


def exactly(line: NDArray[np.uint8], count: int) -> list[Fraction]:
    """Means of a line of pixels."""
    size = Fraction(len(line), count)
    means = []
    for i in range(count):
        low, high = i * size, (i + 1) * size
        total = Fraction(0)
        for x, value in enumerate(line.tolist()):
            total += max(Fraction(0), min(high, Fraction(x + 1)) - max(low, Fraction(x))) * value
        means.append(total / size)
    return means


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=30), st.floats(0.01, 1))
def test_lines_are_averaged_exactly_and_halves_rounded_up(values: list[int], scale: float) -> None:
    line = np.array(values, np.uint8)
    count = scaled_side(len(line), scale)
    expected = [floor(mean + Fraction(1, 2)) for mean in exactly(line, count)]
    row = np.repeat(line[None, :, None], 3, axis=2)
    assert AreaScaler(1, len(line), scale).add(row)[0, :, 1].tolist() == expected
    column = row.transpose(1, 0, 2).copy()
    assert AreaScaler(len(line), 1, scale).add(column)[:, 0, 2].tolist() == expected


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (200, 301), (600, 20)])
@pytest.mark.parametrize("scale", [1.0, 0.99, 0.77, 0.5, 1 / 3, 0.1, 0.01])
def test_pictures_are_those_of_opencv_but_for_its_rounding(
    size: tuple[int, int], scale: float
) -> None:
    height, width = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = AreaScaler(height, width, scale).add(picture)
    new_size = scaled_side(width, scale), scaled_side(height, scale)
    expected = cv2.resize(picture, new_size, interpolation=cv2.INTER_AREA)
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.02  # where the exact mean is near a half


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pieces_make_no_difference(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 20))
    scale = data.draw(st.floats(0.01, 1))
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    whole = AreaScaler(height, width, scale).add(picture)
    scaler = AreaScaler(height, width, scale)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, height), max_size=4))), height]
    pieces = [scaler.add(picture[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert whole.shape == (scaled_side(height, scale), scaled_side(width, scale), 3)
