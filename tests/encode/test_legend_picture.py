"""The picture of a legend: its colours are where they belong, and any text is taken."""

import numpy as np
import pytest
import pyvips

from savemasks.encode.legend_picture import MOST_ROWS, LegendRow, legend_picture

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_colours_are_beside_each_other_and_texts_to_their_right() -> None:
    picture = legend_picture([LegendRow((RED, None, BLUE), "1 kiwi"), LegendRow((BLUE,), "lemon")])
    assert picture.shape[0] == 8 + 2 * 28
    assert picture[18, 18].tolist() == [255, 0, 0]
    assert picture[18, 46].tolist() == [255, 255, 255]
    assert picture[18, 74].tolist() == [0, 0, 255]
    assert picture[46, 18].tolist() == [0, 0, 255]
    assert (picture[8:28, 92:] < 128).any()
    assert np.array_equal(picture[:, -8:], np.full_like(picture[:, -8:], 255))


@pytest.mark.parametrize("text", ["", " ", "<b>&amp;", "a\0\n\ud800b", "x" * 5000, "漢字 Ж é"])
def test_any_title_is_drawn(text: str) -> None:
    picture = legend_picture([LegendRow((RED,), text)])
    assert picture.shape[0] == 8 + 28
    assert picture.shape[1] < 1500
    assert picture[18, 18].tolist() == [255, 0, 0]


def test_of_very_many_classes_some_are_shown() -> None:
    picture = legend_picture([LegendRow((RED,), "")] * (MOST_ROWS + 70))
    assert picture.shape[0] == 8 + (MOST_ROWS + 1) * 28
    assert picture[-18, 18].tolist() == [255, 255, 255]
    assert legend_picture([]).size


def test_without_letters_there_are_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise pyvips.Error("no such operation")

    monkeypatch.setattr(pyvips.Image, "text", refuse, raising=False)
    picture = legend_picture([LegendRow((RED,), "kiwi")])
    assert picture[18, 18].tolist() == [255, 0, 0]
    assert picture.shape[1] == 8 + 28 + 8
