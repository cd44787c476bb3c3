"""Maps of instances as PNG and TIFF, read back by every decoder; and the JSON beside them."""

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from savemasks.encode import numbers as encoder
from savemasks.encode.numbers import (
    deflate_numbers,
    describe_numbers,
    encode_numbers,
    numbers_layout,
    store_numbers,
)
from savemasks.encode.png import PngStream, Strip
from savemasks.encode.tiff import tiff_from_png
from savemasks.errors import WriteError
from savemasks.scratch import Scratch
from support.pngs import chunks_of


def numbers_of(height: int, width: int, most: int = 65_535) -> NDArray[np.int32]:
    rng = np.random.default_rng(height * width)
    numbers = np.zeros((height, width), np.int32)
    for _ in range(60):
        y, x = rng.integers(0, height), rng.integers(0, width)
        rows, columns = rng.integers(1, 15, 2)
        numbers[y : y + rows, x : x + columns] = rng.integers(1, most, endpoint=True)
    numbers[-1, -1] = most
    return numbers


def assert_is(content: bytes, numbers: NDArray[np.int32]) -> None:
    image = Image.open(io.BytesIO(content))
    assert np.array_equal(np.asarray(image), numbers)
    by_opencv: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_opencv.dtype == np.uint16
    assert np.array_equal(by_opencv, numbers)
    by_libvips = pyvips.Image.new_from_buffer(content, "", fail_on="warning")
    assert (by_libvips.format, by_libvips.bands) == ("ushort", 1)
    assert np.array_equal(by_libvips.numpy().reshape(numbers.shape), numbers)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (40, 1), (60, 90), (3, 20_000)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_map_of_16_bits_comes_back(size: tuple[int, int], dtype: Any) -> None:
    numbers = numbers_of(*size, np.iinfo(dtype).max)
    png = b"".join(encode_numbers(numbers.astype(dtype)))
    assert chunks_of(png)[0][1][8:10] == b"\x10\x00"
    assert_is(png, numbers)


def test_noise_is_left_to_the_general_encoder() -> None:
    numbers = np.random.default_rng(0).integers(0, 65_536, (90, 70)).astype(np.int32)
    assert_is(b"".join(encode_numbers(numbers.astype(np.uint16))), numbers)


@pytest.fixture
def runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to the general encoder."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the general encoder was asked")

    monkeypatch.setattr(encoder, "_PIXELS_PER_TOKEN", 0.2)
    monkeypatch.setattr(encoder, "deflate_pixels", refuse)


@pytest.mark.usefixtures("runs_only")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (9, 3), (3, 31), (5, 64), (40, 150)])
def test_any_numbers_have_runs_that_come_back(
    size: tuple[int, int], share: float, dtype: Any
) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        deep = [256, 257, 65_535] if dtype is np.uint16 else []
        values = rng.choice([0, 1, 7, 200, *deep], size)
        numbers = np.where(rng.random(size) < share, values, 0).astype(np.int32)
        for each in (numbers, np.repeat(numbers, 3, axis=0), np.repeat(numbers, 5, axis=1)):
            assert_is(b"".join(encode_numbers(np.ascontiguousarray(each, dtype))), each)


def test_an_empty_map_is_small() -> None:
    assert len(b"".join(encode_numbers(np.zeros((1080, 1920), np.uint8)))) < 8000


def test_a_map_in_strips_is_the_same_picture() -> None:
    numbers = numbers_of(50, 70)
    stored = numbers.astype(np.uint16)
    stream = PngStream(numbers_layout(50, 70, is_wide=False))
    parts = stream.begin()
    for top, end in ((0, 20), (20, 21), (21, 50)):
        strip = Strip(1 if top else 0, is_part=True)
        piece = deflate_numbers(stored[max(0, top - 1) : end], Scratch(), strip)
        parts += [bytes(part) for part in stream.strip(piece)]
    assert_is(b"".join([*parts, *stream.end()]), numbers)


@pytest.mark.parametrize("most", [65_535, 70_000, 2_000_000_000])
@pytest.mark.parametrize("pyramid", [False, True])
def test_a_map_becomes_a_tiff_in_strips(tmp_path: Path, most: int, pyramid: bool) -> None:
    numbers = numbers_of(80, 70, most)
    is_wide = most > 65_535
    stored = numbers if is_wide else numbers.astype(np.uint16)
    layout = numbers_layout(80, 70, is_wide=is_wide)
    path = str(tmp_path / "map.tif")

    def failure(reason: object) -> Exception:
        return WriteError(str(reason))

    stream = PngStream(layout)
    with tiff_from_png(path, layout, failure, pyramid=pyramid, smooth=False) as writer:
        writer.write(stream.begin())
        for top, end in ((0, 30), (30, 80)):
            strip = Strip(1 if top else 0, is_part=True)
            piece = store_numbers(stored[max(0, top - 1) : end], strip)
            writer.write(stream.strip(piece))
        writer.write(stream.end())
    found = pyvips.Image.new_from_file(path)
    assert (found.format, found.bands) == ("uint" if is_wide else "ushort", 1)
    assert np.array_equal(found.numpy(), numbers)
    assert np.array_equal(np.asarray(Image.open(path)), numbers)


def test_the_json_says_what_each_number_is() -> None:
    seen = [(1, 5, [1, 2, 3, 4]), (2, 3, [0, 0, 3, 1]), (3, 0, None), (4, 1, [9, 9, 1, 1])]
    text = describe_numbers(seen, {1: "kiwi", 3: "le\nmon", 4: "\ud800"}, {0: 77, 2: "x", 9: 1})
    assert text.endswith(b"}\n")
    assert orjson.loads(describe_numbers([], {}, {})) == {}
    assert [*orjson.loads(describe_numbers(seen[:3], {1: "a", 2: "b", 3: "c"}, {}))] == [*"123"]
    assert json.loads(text) == {
        "1": {"class": "kiwi", "area": 5, "bbox": [1, 2, 3, 4], "id": 77},
        "3": {"class": "le\nmon", "area": 0, "bbox": None, "id": "x"},
        "4": {"class": "\ud800", "area": 1, "bbox": [9, 9, 1, 1]},
    }
