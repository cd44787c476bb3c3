"""Pages in other styles than the usual one, compared with it, with OpenCV and plain NumPy."""

import io
from math import floor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from savemasks.encode.color import color_human
from savemasks.encode.pages import (
    ENDINGS,
    PLAIN,
    PageStream,
    PageStyle,
    compose_page,
    encode_page,
    mix,
    mix_over,
    page_from_png,
)
from savemasks.errors import WriteError
from savemasks.layers.palette import human_palette
from savemasks.layers.save_masks import SaveMasks
from support.configs import layer, with_settings
from support.pngs import assert_decodes_to

PALETTE = human_palette({"kiwi": (255, 0, 0), "lemon": (27, 0, 255), "plum": (0, 0, 0)})
SIZE = (31, 44)


def original(height: int = SIZE[0], width: int = SIZE[1]) -> NDArray[np.uint8]:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def numbered(height: int = SIZE[0], width: int = SIZE[1]) -> NDArray[np.int32]:
    """Objects with holes, some of which touch each other or the edges."""
    numbers = np.zeros((height, width), np.int32)
    for number, (x, y, w, h) in enumerate(
        [(0, 0, 10, 9), (10, 0, 6, 9), (4, 4, 9, 9), (20, 12, 20, 19), (30, 2, 1, 8)], start=1
    ):
        numbers[y : y + h, x : x + w] = number
    numbers[15:25, 25:35] = 0
    return numbers


NUMBERS = numbered()
LABELS = np.array([0, 1, 1, 2, 3, 2], np.uint8)[NUMBERS]
IMAGE = original()


def outline_by_hand(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    found = np.zeros(numbers.shape, np.bool_)
    height, width = numbers.shape
    for y in range(height):
        for x in range(width):
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                other = numbers[y + dy, x + dx] if inside else 0
                found[y, x] |= numbers[y, x] != 0 and numbers[y, x] != other
    return found


def test_the_default_style_is_the_usual_page() -> None:
    expected = np.empty((SIZE[0], 2 * SIZE[1] + 1, 3), np.uint8)
    color_human(IMAGE, LABELS, PALETTE, expected)
    assert np.array_equal(compose_page(IMAGE, LABELS, PALETTE, PLAIN), expected)
    assert PLAIN.size(*SIZE) == expected.shape[:2]
    assert PageStyle.of(SaveMasks.from_json(layer()).settings).is_plain


def test_styles_come_from_settings() -> None:
    style = PageStyle.of(SaveMasks.from_json(with_settings(
        human_opacity=0.3, human_layout="overlay", human_scale=0.5, human_outlines=True,
        human_format="webp", human_quality=7)).settings)  # fmt: skip
    assert style == PageStyle(0.3, is_overlay=True, scale=0.5, outlines=True, format="webp",
                              quality=7)  # fmt: skip
    assert not style.is_plain


@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_opacity_is_the_share_of_the_colour(opacity: float) -> None:
    found = mix(IMAGE, LABELS, PALETTE, opacity)
    assert np.array_equal(found[LABELS == 0], IMAGE[LABELS == 0])
    share = round(opacity * 65536) / 65536
    for y, x in np.argwhere(LABELS)[::7].tolist():
        color = PALETTE.colors[LABELS[y, x]].tolist()
        expected = [
            floor(o * (1 - share) + c * share)
            for o, c in zip(IMAGE[y, x].tolist(), color, strict=True)
        ]
        assert found[y, x].tolist() == expected


def test_an_overlay_is_the_right_half() -> None:
    whole = compose_page(IMAGE, LABELS, PALETTE, PLAIN)
    style = PageStyle(is_overlay=True)
    assert np.array_equal(compose_page(IMAGE, LABELS, PALETTE, style), whole[:, SIZE[1] + 1 :])
    joined = compose_page(IMAGE, LABELS, PALETTE, PageStyle(has_column=False))
    assert np.array_equal(joined, np.delete(whole, SIZE[1], axis=1))


@pytest.mark.parametrize("scale", [0.5, 0.37, 0.01])
def test_halves_are_scaled_by_themselves_and_the_column_is_not(scale: float) -> None:
    style = PageStyle(scale=scale)
    page = compose_page(IMAGE, LABELS, PALETTE, style)
    height, width = (max(1, round(side * scale)) for side in SIZE)
    assert page.shape == (height, 2 * width + 1, 3) == (*style.size(*SIZE), 3)
    assert (page[:, width] == (0, 255, 0)).all()
    halves = ((IMAGE, page[:, :width]), (mix(IMAGE, LABELS, PALETTE, 0.5), page[:, width + 1 :]))
    for half, found in halves:
        expected = cv2.resize(half, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(expected.astype(int) - found).max() <= 1


@pytest.mark.parametrize("dtype", [np.int32, ">u2"])
@pytest.mark.parametrize("opacity", [0.0, 0.5])
def test_outlines_are_in_full_colour_inside_of_objects(opacity: float, dtype: Any) -> None:
    style = PageStyle(opacity=opacity, outlines=True)
    found = compose_page(IMAGE, LABELS, PALETTE, style, numbers=NUMBERS.astype(dtype))
    plain = compose_page(IMAGE, LABELS, PALETTE, PageStyle(opacity=opacity))
    outline = outline_by_hand(NUMBERS)
    left, right = found[:, : SIZE[1] + 1], found[:, SIZE[1] + 1 :]
    assert np.array_equal(left, plain[:, : SIZE[1] + 1])
    expected = plain[:, SIZE[1] + 1 :].copy()
    expected[outline] = PALETTE.colors[LABELS[outline]]
    assert np.array_equal(right, expected)
    assert outline[16, 24]  # at the hole
    assert outline[3, 9]  # between two objects of one class
    assert outline[0, 3]  # at the edge of the picture
    assert not outline[20, 22]


def test_outlines_of_scaled_pages_are_one_pixel_wide() -> None:
    numbers = np.repeat(np.repeat(NUMBERS, 4, axis=0), 4, axis=1)
    labels = np.repeat(np.repeat(LABELS, 4, axis=0), 4, axis=1)
    image = original(*labels.shape)
    style = PageStyle(is_overlay=True, scale=0.25, outlines=True)
    found = compose_page(image, labels, PALETTE, style, numbers=numbers)
    plain = compose_page(image, labels, PALETTE, PageStyle(is_overlay=True, scale=0.25))
    outline = outline_by_hand(NUMBERS)
    assert np.array_equal(found[~outline], plain[~outline])
    assert np.array_equal(found[outline], PALETTE.colors[LABELS[outline]])


def test_classes_that_the_page_does_not_show_have_no_outlines() -> None:
    labels = np.where(LABELS == 1, 0, LABELS).astype(np.uint8)
    style = PageStyle(is_overlay=True, outlines=True)
    found = compose_page(IMAGE, labels, PALETTE, style, numbers=NUMBERS)
    assert np.array_equal(found[labels == 0], IMAGE[labels == 0])


def test_objects_can_be_mixed_one_over_the_other() -> None:
    copy, expected = IMAGE.copy(), IMAGE.copy()
    for x, y, color in ((2, 3, (255, 10, 0)), (5, 6, (0, 0, 255))):
        mask = np.zeros(SIZE, np.uint8)
        mask[y : y + 8, x : x + 9] = 255
        drawn = expected.copy()
        drawn[mask != 0] = color
        expected = ((expected.astype(np.uint16) + drawn.astype(np.uint16)) / 2).astype(np.uint8)
        mix_over(copy, mask[1:20, 1:30], color, corner=(1, 1))
    assert np.array_equal(copy, expected)
    page = compose_page(IMAGE, LABELS, PALETTE, PageStyle(has_column=False), mixed=copy)
    assert np.array_equal(page, np.concatenate([IMAGE, copy], axis=1))


# ---------------------------------------------------------------- files


def test_a_png_page_loses_nothing() -> None:
    style = PageStyle(is_overlay=True, scale=0.5)
    page = compose_page(IMAGE, LABELS, PALETTE, style)
    assert_decodes_to(b"".join(encode_page(page, style)), page)


@pytest.mark.parametrize(("name", "kind"), [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_lose_less_the_better_they_are(name: Any, kind: str) -> None:
    smooth = cv2.resize(IMAGE, (200, 150), interpolation=cv2.INTER_CUBIC)
    sizes, losses = [], []
    for quality in (5, 60, 95):
        style = PageStyle(format=name, quality=quality)
        content = b"".join(encode_page(smooth, style))  # type: ignore[arg-type]
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size, image.mode) == (kind, (200, 150), "RGB")
        sizes.append(len(content))
        losses.append(np.abs(np.asarray(image).astype(int) - smooth).mean())
    assert sizes == sorted(sizes)
    assert losses == sorted(losses, reverse=True)
    assert ENDINGS[name] == f".{'jpg' if name == 'jpeg' else name}"


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("cuts", [(), (1,), (7, 8, 30)])
def test_a_page_in_strips_is_the_same_page(tmp_path: Path, name: Any, cuts: Any) -> None:
    style = PageStyle(opacity=0.4, scale=0.7, outlines=True, format=name)
    page = compose_page(IMAGE, LABELS, PALETTE, style, numbers=NUMBERS)
    expected = b"".join(encode_page(page, style))
    stream = PageStream(*SIZE, PALETTE, style)
    parts = [*stream.begin()]
    for top, end in zip((0, *cuts), (*cuts, SIZE[0]), strict=True):
        rows = slice(top, end)
        parts += map(bytes, stream.strip(IMAGE[rows], LABELS[rows], NUMBERS[rows]))
    parts += stream.end()
    if name == "png":
        assert_decodes_to(b"".join(parts), page)
        return
    path = tmp_path / "page"
    with page_from_png(str(path), style, lambda reason: WriteError(str(reason))) as writer:
        for part in parts:
            writer.write([part])
    assert path.read_bytes() == expected


def test_what_libvips_cannot_write_is_the_callers_error(tmp_path: Path) -> None:
    style = PageStyle(format="webp", is_overlay=True)
    image = np.zeros((1, 16_384, 3), np.uint8)
    stream = PageStream(1, 16_384, PALETTE, style)

    def write() -> None:
        path = str(tmp_path / "page")
        with page_from_png(path, style, lambda reason: WriteError(str(reason))) as writer:
            writer.write(stream.begin())
            writer.write(stream.strip(image, np.zeros((1, 16_384), np.uint8)))
            writer.write(stream.end())

    with pytest.raises(WriteError):
        write()
