"""CMYK becomes the RGB of Pillow: the plain inverse, without any profile."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from savemasks.pictures.original import Original
from support.decoding import exif_of, photo
from support.pictures import expect_pixels

SAMPLES = photo(33, 47, 4)


def by_pillow(kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(SAMPLES, "CMYK").save(file, kind, **options)
    return file.getvalue()


PLAIN = by_pillow(quality=95)
ADOBE = PLAIN.index(b"Adobe")
JPEGS = {
    "plain": PLAIN,
    "ycck": PLAIN[: ADOBE + 11] + b"\2" + PLAIN[ADOBE + 12 :],
    "no word of adobe": PLAIN[: ADOBE - 4] + PLAIN[ADOBE + 12 :],
    "progressive": by_pillow(progressive=True),
    "profile": by_pillow(
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ),
}
TIFFS = {c: by_pillow("TIFF", compression=c) for c in ("raw", "tiff_lzw", "packbits")}


@pytest.mark.parametrize("data", [*JPEGS.values(), *TIFFS.values()], ids=[*JPEGS, *TIFFS])
def test_cmyk_is_the_plain_inverse(data: bytes, tmp_path: Path) -> None:
    with Image.open(io.BytesIO(data)) as image:
        expect_pixels(data, np.asarray(image.convert("RGB")), tmp_path)
    # OpenCV cuts where Pillow rounds.
    opened = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert opened is not None
    assert np.abs(Original(data).pixels().astype(int) - opened[:, :, ::-1]).max() <= 2


def test_every_ink_on_every_black(tmp_path: Path) -> None:
    ink, black = np.meshgrid(np.arange(256), np.arange(256))
    samples = np.dstack([ink, 255 - ink, ink // 2, black]).astype(np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(samples, "CMYK")
    image.save(file, "TIFF")
    expect_pixels(file.getvalue(), np.asarray(image.convert("RGB")), tmp_path)
    exact = np.rint(255 - samples[:, :, :3] - (255 - samples[:, :, :3]) * (black / 255)[:, :, None])
    assert np.abs(Original(file.getvalue()).pixels() - exact).max() <= 1


def test_16_bits_and_orientation(tmp_path: Path) -> None:
    expected = np.asarray(Image.fromarray(SAMPLES, "CMYK").convert("RGB"))
    deep = pyvips.Image.new_from_array(SAMPLES.astype(np.uint16) * 256 + 77, interpretation="cmyk")
    expect_pixels(deep.tiffsave_buffer(), expected, tmp_path)
    data = by_pillow(quality=95, exif=b"Exif\0\0" + exif_of(6, ">"))
    with Image.open(io.BytesIO(data)) as image:
        expect_pixels(data, np.rot90(np.asarray(image.convert("RGB")), -1), tmp_path)
