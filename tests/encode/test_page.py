"""Human pages encoded in one pass: every decoder sees what composing and encoding apart give."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.encode import human
from savemasks.encode.choice import encode_human
from savemasks.encode.color import color_human
from savemasks.kernels.encode import gray
from savemasks.kernels.encode import page as kernels
from savemasks.layers.palette import Palette, human_palette
from savemasks.scratch import Scratch
from support.pixels import ORIGINALS, PAINTED, original, painted
from support.pngs import assert_decodes_to, chunks_of

PALETTE = human_palette({"a": (200, 30, 120), "b": (0, 7, 0), "c": (255, 255, 255)})


def check(
    image: NDArray[np.uint8],
    labels: NDArray[Any],
    palette: Palette = PALETTE,
    scratch: Scratch | None = None,
) -> bytes:
    height, width = labels.shape
    expected = np.empty((height, 2 * width + 1, 3), np.uint8)
    color_human(image, labels, palette, expected)
    png = b"".join(encode_human(image, labels, palette, scratch))
    chunks_of(png)
    assert_decodes_to(png, expected)
    return png


@pytest.fixture(params=[kernels.UP, kernels.AVERAGE, kernels.PAETH])
def one_pass_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never fall back, and use one filter."""
    monkeypatch.setattr(human, "_PAYS", 0)
    monkeypatch.setattr(human, "_FILTERS", (request.param,))


@pytest.mark.usefixtures("one_pass_only")
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 2), (7, 5), (40, 33), (90, 257)])
def test_every_page_comes_back_from_every_decoder(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[0])
    scratch = Scratch()
    for image_kind in ORIGINALS:
        for label_kind in PAINTED:
            image = original(image_kind, *size, rng)
            check(image, painted(label_kind, *size, rng), scratch=scratch)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 24),
    st.integers(1, 60),
    st.sampled_from(ORIGINALS),
    st.sampled_from(PAINTED),
    st.integers(0, 10**6),
)
def test_pages_of_any_size_and_content_come_back(
    height: int, width: int, image_kind: str, label_kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    check(original(image_kind, height, width, rng), painted(label_kind, height, width, rng))


@pytest.mark.parametrize("width", [10_921, 10_922, 10_923, 12_000])
def test_pages_around_the_reach_of_deflate_come_back(width: int) -> None:
    rng = np.random.default_rng(width)
    check(original("photo", 6, width, rng), painted("blocks", 6, width, rng))


@pytest.mark.usefixtures("one_pass_only")
def test_a_page_of_more_than_255_classes_comes_back() -> None:
    rng = np.random.default_rng(0)
    palette = human_palette({str(i): (i % 256, i // 256, 9) for i in range(400)})
    labels = rng.integers(0, 401, (30, 40)).astype(np.uint16)
    check(original("photo", 30, 40, rng), labels, palette)


def test_a_drawing_that_repeats_itself_is_left_to_isa_l(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    tile = original("noise", 8, 40, rng)
    drawing = np.ascontiguousarray(np.tile(tile, (20, 10, 1)))
    labels = painted("blocks", 160, 400, rng)
    searched = check(drawing, labels)
    monkeypatch.setattr(human, "_PAYS", 0)
    assert len(searched) < 0.5 * len(check(drawing, labels))


def test_gray_pages_are_much_smaller_than_their_pixels_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    image, labels = original("gray photo", 200, 300, rng), painted("blocks", 200, 300, rng)
    small = check(image, labels)
    monkeypatch.setattr(gray, "is_gray", lambda _: False)
    monkeypatch.setattr(human, "_PAYS", 0)
    assert len(small) < 0.85 * len(check(image, labels))


@pytest.mark.parametrize("gray", [0, 77])
def test_flat_gray_pages_take_hardly_any_room(gray: int) -> None:
    rng = np.random.default_rng(1)
    labels = painted("blocks", 200, 300, rng)
    assert len(check(np.full((200, 300, 3), gray, np.uint8), labels)) < 0.1 * labels.size
    stripes = np.arange(300) % 7 * 30 + np.arange(200)[:, None] % 3
    page = check(np.repeat(stripes.astype(np.uint8)[:, :, None], 3, 2), labels)
    assert len(page) < 0.2 * labels.size


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_colour_makes_a_picture_none_of_grays(channel: int) -> None:
    image = original("gray photo", 9, 11, np.random.default_rng(1))
    assert gray.is_gray(image.reshape(9, 33))
    image[8, 10, channel] ^= 1
    assert not gray.is_gray(image.reshape(9, 33))


@pytest.mark.parametrize("width", [3000, 5461, 10_900])
def test_gray_pixels_further_back_than_deflate_reaches_come_back(width: int) -> None:
    rng = np.random.default_rng(width)
    image = original("gray noise", 12, width, rng)
    image[3:9] = 77
    check(image, painted("blocks", 12, width, rng))


def test_the_same_page_gives_the_same_bytes_whatever_the_scratch_held() -> None:
    rng = np.random.default_rng(3)
    scratch = Scratch()
    image, labels = original("photo", 50, 70, rng), painted("blocks", 50, 70, rng)
    first = check(image, labels, scratch=scratch)
    check(original("noise", 90, 120, rng), painted("noise", 90, 120, rng), scratch=scratch)
    assert check(image, labels, scratch=scratch) == first == check(image, labels)
