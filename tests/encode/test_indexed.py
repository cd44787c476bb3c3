"""Indexed masks, backgrounds and three channels: compared with gray masks and colouring."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from savemasks.encode.choice import (
    deflate_machine,
    encode_machine,
    machine_layout,
)
from savemasks.encode.color import color_machine
from savemasks.encode.png import PngStream, Strip
from savemasks.layers.palette import Palette, machine_palette, semantic_palette
from savemasks.scratch import Scratch
from support.pngs import assert_decodes_to, chunks_of

GRAYS = {"kiwi": (100, 100, 100), "lemon": (200, 200, 200), "plum": (0, 0, 0)}
SHOWN = {"kiwi": (255, 0, 0), "lemon": (27, 0, 255), "plum": (1, 90, 3)}


def boxes(height: int, width: int, count: int = 30, classes: int = 3) -> NDArray[Any]:
    rng = np.random.default_rng(height * width)
    labels = np.zeros((height, width), np.uint8 if classes < 256 else np.uint16)
    for _ in range(count):
        y, x = rng.integers(0, height), rng.integers(0, width)
        rows, columns = rng.integers(1, 12, 2)
        labels[y : y + rows, x : x + columns] = rng.integers(0, classes + 1)
    return labels


def colored(labels: NDArray[Any], palette: Palette) -> NDArray[Any]:
    shape = labels.shape if palette.is_gray else (*labels.shape, 3)
    out = np.empty(shape, palette.colors.dtype)
    color_machine(labels, palette, out)
    return out


NOISE = np.random.default_rng(1).integers(0, 4, (50, 60)).astype(np.uint8)


@pytest.mark.parametrize("labels", [boxes(40, 70), NOISE], ids=["runs", "noise"])
def test_an_indexed_mask_is_the_gray_one_with_colours(labels: NDArray[np.uint8]) -> None:
    indexed = machine_palette(GRAYS, shown_in=SHOWN)
    png = b"".join(encode_machine(labels, indexed))
    gray = b"".join(encode_machine(labels, machine_palette(GRAYS)))
    names = [name for name, _ in chunks_of(png)]
    assert names == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    (_, header), (_, colors), (_, stream), _ = chunks_of(png)
    assert (header[9], colors) == (3, indexed.chunk)
    assert stream == chunks_of(gray)[1][1]

    image = Image.open(io.BytesIO(png))
    expected = colored(labels, machine_palette(GRAYS))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), expected)
    assert indexed.index_colors is not None
    seen = indexed.index_colors[expected]
    assert np.array_equal(np.asarray(image.convert("RGB")), seen)
    by_opencv: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(by_opencv, seen)
    by_libvips = pyvips.Image.new_from_buffer(png, "", fail_on="warning").numpy()
    assert np.array_equal(by_libvips[..., :3], seen)


def test_an_indexed_mask_in_strips_is_the_same_picture() -> None:
    labels = boxes(40, 70)
    palette = machine_palette(GRAYS, shown_in=SHOWN)
    stream = PngStream(machine_layout(40, 70, palette))
    parts = stream.begin()
    for top in (0, 13, 30):
        rows = labels[max(0, top - 1) : {0: 13, 13: 30, 30: 40}[top]]
        strip = Strip(1 if top else 0, is_part=True)
        piece = deflate_machine(rows, palette, Scratch(), strip)
        parts += [bytes(part) for part in stream.strip(piece)]
    png = b"".join([*parts, *stream.end()])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), colored(labels, palette))


@pytest.mark.parametrize("width", [70, 40_000])
@pytest.mark.parametrize("has_three_channels", [False, True])
def test_a_background_lies_where_nothing_is_painted(width: int, has_three_channels: bool) -> None:
    labels = boxes(9, width)
    palette = machine_palette(GRAYS, background=255, has_three_channels=has_three_channels)
    expected = colored(labels, palette)
    assert (expected[labels == 0] == 255).all()
    assert_decodes_to(b"".join(encode_machine(labels, palette)), expected)


def test_a_blank_mask_is_all_background() -> None:
    labels = np.zeros((30, 50), np.uint8)
    palette = machine_palette(GRAYS, background=(7, 8, 9), has_three_channels=True)
    expected = np.full((30, 50, 3), (7, 8, 9), np.uint8)
    assert_decodes_to(b"".join(encode_machine(labels, palette)), expected)


def test_three_equal_channels_are_the_gray_mask_three_times() -> None:
    labels = boxes(30, 50)
    palette = machine_palette(GRAYS, has_three_channels=True)
    gray = colored(labels, machine_palette(GRAYS))
    expected = np.repeat(gray[..., None], 3, axis=2)
    assert_decodes_to(b"".join(encode_machine(labels, palette)), expected)


def test_deep_grays_have_three_channels_as_well() -> None:
    labels = boxes(30, 50)
    palette = machine_palette({**GRAYS, "plum": (4000, 4000, 4000)}, has_three_channels=True)
    png = b"".join(encode_machine(labels, palette))
    found: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found, palette.colors[labels])


@pytest.mark.parametrize("count", [3, 255, 256])
def test_a_semantic_mask_shows_the_same_indexed_or_not(count: int) -> None:
    colors = {str(i): (i % 256, 1 + i // 256, 0) for i in range(count)}
    labels = boxes(60, 90, 300, count)
    expected = colored(labels, semantic_palette(colors, is_indexed=False))
    png = b"".join(encode_machine(labels, semantic_palette(colors, is_indexed=True)))
    image = Image.open(io.BytesIO(png))
    assert image.mode == ("P" if count < 256 else "RGB")
    assert np.array_equal(np.asarray(image.convert("RGB")), expected)
