"""Originals of pictures in strips: every format, however it is stored, turned or named."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from savemasks.pictures import streamed
from support.pixels import original
from support.projects import Json
from support.strips import Bench, decoded, encoded, objects, photo, same

IMAGES: list[tuple[str, Json]] = [
    ("png", {}),
    ("png", {"interlace": True}),
    ("jpg", {"Q": 90}),
    ("jpg", {"Q": 90, "interlace": True}),
    ("tif", {}),
    ("tif", {"tile": True, "tile_width": 16, "tile_height": 16, "compression": "deflate"}),
    ("tif", {"bigtiff": True, "compression": "lzw"}),
    ("webp", {"lossless": True}),
    ("bmp", {}),
]


@pytest.mark.parametrize(("kind", "options"), IMAGES)
def test_every_format_of_originals(tmp_path: Path, kind: str, options: Json) -> None:
    pixels = original("photo", 60, 44, np.random.default_rng(1))
    image = encoded(pixels, kind, **options)
    made = Bench(tmp_path, image, 60, 44, objects(60, 44), f"a.{kind}")
    expected = made.whole()
    for rows in (1, 7, 64):
        same(decoded(made.strips(rows, threads=2)), expected)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_originals_that_exif_turns(tmp_path: Path, orientation: int) -> None:
    pixels = original("photo", 60, 44, np.random.default_rng(1))
    image = pyvips.Image.new_from_array(pixels).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    height, width = (60, 44) if orientation < 5 else (44, 60)
    data = image.write_to_buffer(".jpg", Q=95)
    made = Bench(tmp_path, data, height, width, objects(height, width), "a.jpg")
    expected = made.whole()
    for rows in (1, 7, 64):
        same(decoded(made.strips(rows)), expected)


@pytest.mark.parametrize("bands", [1, 2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_transparent_and_deep_originals(tmp_path: Path, bands: int, dtype: Any) -> None:
    rng = np.random.default_rng(bands)
    pixels = rng.integers(0, np.iinfo(dtype).max, (40, 30, bands), dtype, endpoint=True)
    data = pyvips.Image.new_from_array(pixels, interpretation="auto").write_to_buffer(".tif")
    made = Bench(tmp_path, data, 40, 30, objects(40, 30), "a.tif")
    same(decoded(made.strips(7)), made.whole())


@pytest.mark.parametrize("name", ["a[page=1].png", "x]", "[]", os.fsdecode(b"\xff\xe9[n=2]")])
@pytest.mark.parametrize("form", ["png", "tiff"])
def test_names_of_originals_and_folders_mean_nothing(tmp_path: Path, name: str, form: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    image = encoded(original("photo", 60, 44, np.random.default_rng(1)), "png")
    made = Bench(folder, image, 60, 44, objects(60, 44), name)
    same(decoded(made.strips(7, format=form)), made.whole())


@pytest.mark.parametrize("largest", [0, 1 << 20])
def test_the_header_of_an_original_in_a_file_is_read_once(
    tmp_path: Path, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    genuine = streamed._open

    def counted(path: str, access: str) -> pyvips.Image:
        opened.append(path)
        return genuine(path, access)

    monkeypatch.setattr(streamed, "_open", counted)
    monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", largest)
    made = photo(tmp_path)
    made.strips(7)
    assert opened == [made.item.image]
