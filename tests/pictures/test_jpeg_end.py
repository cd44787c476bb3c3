"""JPEGs that lack only their last marker are read; those that lack pixels are refused."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from savemasks.errors import ImageError
from savemasks.pictures.decode_jpeg import with_end
from savemasks.pictures.original import Original
from support.decoding import exif_of, jpeg, photo
from support.pictures import expect_pixels, in_strips


def by_pillow(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(61, 83)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def by_opencv(progressive: int, restart: int) -> bytes:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    return jpeg(photo(61, 83), *options)


JPEGS = {
    "plain": by_opencv(0, 0),
    "restarts": by_opencv(0, 3),
    "progressive": by_opencv(1, 0),
    "progressive with restarts": by_opencv(1, 2),
    "gray": by_pillow("L"),
    "turned": by_pillow(exif=b"Exif\0\0" + exif_of(6, "<")),
    "cmyk": by_pillow("CMYK"),
    "smaller than a block": jpeg(photo(3, 5)),
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_only_the_last_marker_is_missing(data: bytes, tmp_path: Path) -> None:
    expected = Original(data).pixels().copy()
    assert data.endswith(b"\xff\xd9")
    for cut in (data[:-1], data[:-2], data[:-2] + b"\xff\xff", data[:-2] + b"!"):
        expect_pixels(cut, expected, tmp_path)
    assert with_end(data) is None
    assert with_end(data + b"garbage") is None
    expect_pixels(data + b"garbage", expected, tmp_path)


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_any_other_byte_is_missing(data: bytes, tmp_path: Path) -> None:
    cuts = {*range(3, 40), *range(40, len(data), 97), len(data) - 1}
    for cut in cuts:
        assert with_end(data[:-cut]) is None
        with pytest.raises(ImageError, match="cannot be decoded"):
            Original(data[:-cut]).pixels()
        if cut % 7 == 3:
            with pytest.raises(ImageError, match="cannot be decoded"):
                in_strips(data[:-cut], tmp_path)


@pytest.mark.parametrize("kind", ["progressive", "progressive with restarts"])
def test_last_scans_are_missing(kind: str, tmp_path: Path) -> None:
    data = JPEGS[kind]
    scans = [i for i in range(len(data)) if data.startswith(b"\xff\xda", i)]
    assert len(scans) > 5
    for at in scans[1:]:
        # Up to the tables before the scan, too.
        for end in {at, data.rindex(b"\xff\xc4", 0, at)}:
            with pytest.raises(ImageError, match="cannot be decoded"):
                Original(data[:end]).pixels()
            with pytest.raises(ImageError, match="cannot be decoded"):
                in_strips(data[:end], tmp_path)


def test_rows_that_were_never_written(tmp_path: Path) -> None:
    data = JPEGS["progressive"]
    for filler in (bytes(5000), b"\xff" * 5000):
        with pytest.raises(ImageError, match="cannot be decoded"):
            Original(data[:-300] + filler).pixels()
        with pytest.raises(ImageError, match="cannot be decoded"):
            in_strips(data[:-300] + filler, tmp_path)


def test_strips_do_without_if_memory_is_short(tmp_path: Path) -> None:
    data = JPEGS["plain"][:-2]
    with pytest.raises(ImageError, match="cannot be decoded"):
        in_strips(data, tmp_path, memory=len(data))


def test_hostile_segments() -> None:
    data = JPEGS["progressive"]
    rng = np.random.default_rng(0)
    for i in range(2, len(data), 3):
        with_end(data[:i] + rng.bytes(1) + data[i + 1 : -2])
