"""Pictures in: every kind becomes the 8-bit RGB that a viewer shows."""

import io

import cv2
import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from savemasks.errors import ImageError
from savemasks.pictures.original import Original

HEIGHT, WIDTH = 21, 34


def read_image(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Do what an export does: header, size, pixels."""
    original = Original(data)
    original.check_size(*size)
    return original.pixels()


def ramp(channels: int, dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> NDArray[np.uint8]:
    rng = np.random.default_rng(channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, channels)).astype(dtype)


def png(pixels: NDArray[np.uint8]) -> bytes:
    bgr = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 2 else pixels
    ok, data = cv2.imencode(".png", np.ascontiguousarray(bgr))
    assert ok
    return data.tobytes()


def by_pillow(pixels: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_rgb_is_read_as_it_is() -> None:
    pixels = ramp(3)
    assert (read_image(png(pixels), (HEIGHT, WIDTH)) == pixels).all()


def test_gray_is_repeated_in_three_channels() -> None:
    pixels = ramp(1)
    assert (read_image(png(pixels), (HEIGHT, WIDTH)) == np.repeat(pixels, 3, axis=2)).all()


def test_alpha_is_dropped_and_not_blended() -> None:
    pixels = ramp(4)
    assert (read_image(png(pixels), (HEIGHT, WIDTH)) == pixels[:, :, :3]).all()


def test_gray_with_alpha_loses_its_alpha() -> None:
    pixels = ramp(2)
    data = by_pillow(pixels, "PNG")
    assert (read_image(data, (HEIGHT, WIDTH)) == np.repeat(pixels[:, :, :1], 3, axis=2)).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_samples_are_shifted_right_by_8(channels: int) -> None:
    pixels = ramp(channels, np.uint16)
    expected = (pixels >> 8).astype(np.uint8)
    expected = np.repeat(expected, 3, axis=2) if channels == 1 else expected[:, :, :3]
    assert (read_image(png(pixels), (HEIGHT, WIDTH)) == expected).all()


def test_a_palette_is_looked_up() -> None:
    indexed = Image.fromarray(ramp(3)).quantize(17)
    file = io.BytesIO()
    indexed.save(file, "PNG")
    expected = np.asarray(indexed.convert("RGB"))
    assert (read_image(file.getvalue(), (HEIGHT, WIDTH)) == expected).all()


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP", "GIF"])
def test_other_formats_are_read_too(kind: str) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:10, 5:20] = (200, 100, 0)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = by_pillow(pixels, kind, **options)
    assert (read_image(data, (HEIGHT, WIDTH)) == pixels).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    pixels = ramp(3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = by_pillow(pixels, kind, exif=exif)
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored.transpose(1, 0, 2)[:, ::-1],
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: stored.transpose(1, 0, 2)[::-1],
    }[orientation]
    assert (read_image(data, upright.shape[:2]) == upright).all()


def test_a_jpeg_is_decoded_as_opencv_decodes_it() -> None:
    ok, data = cv2.imencode(".jpg", cv2.GaussianBlur(ramp(3), (5, 5), 2))
    assert ok
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    assert (read_image(data.tobytes(), (HEIGHT, WIDTH)) == decoded[:, :, ::-1]).all()


def test_another_size_than_the_annotations_is_an_error_that_names_both() -> None:
    with pytest.raises(ImageError, match="is 34 x 21 pixels, but its annotation says 21 x 34"):
        read_image(by_pillow(ramp(3), "BMP"), (WIDTH, HEIGHT))
    with pytest.raises(ImageError, match="is 34 x 21 pixels, but its annotation says 21 x 34"):
        read_image(png(ramp(3)), (WIDTH, HEIGHT))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
def test_a_picture_that_is_cut_off_is_an_error(kind: str) -> None:
    data = by_pillow(np.random.default_rng(0).integers(0, 256, (99, 99, 3)).astype(np.uint8), kind)
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_image(data[: len(data) * 2 // 3], (99, 99))


@pytest.mark.parametrize("data", [b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_image(data, (1, 1))


def test_an_empty_file_is_an_error() -> None:
    with pytest.raises(ImageError, match="empty"):
        read_image(b"", (1, 1))


def test_samples_that_are_no_integers_are_an_error() -> None:
    data = pyvips.Image.black(3, 2).cast("float").tiffsave_buffer()
    with pytest.raises(ImageError, match="samples of type float"):
        read_image(data, (2, 3))
