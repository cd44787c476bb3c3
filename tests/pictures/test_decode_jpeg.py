"""The short way of JPEGs leads to exactly what libvips makes of them, or to libvips."""

import cv2
import numpy as np
import pytest

from support.decoding import (
    NOISE,
    PLAIN,
    by_opencv,
    by_pillow,
    exif_of,
    expect_as_libvips,
    header_of,
    jpeg,
    photo,
    segment,
    short_way,
)

pytestmark = pytest.mark.usefixtures("no_libvips_cache")


SAMPLINGS = [0x411111, 0x221111, 0x211111, 0x121111, 0x111111]


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (23, 1), (8, 8), (16, 16), (33, 47), (65, 130)])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restart", [0, 1, 3])
def test_every_sampling_of_jpeg(
    size: tuple[int, int], sampling: int, progressive: int, restart: int
) -> None:
    options = [
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        sampling,
        cv2.IMWRITE_JPEG_PROGRESSIVE,
        progressive,
        cv2.IMWRITE_JPEG_RST_INTERVAL,
        restart,
    ]
    for quality in (30, 95):
        data = jpeg(photo(*size), *options, cv2.IMWRITE_JPEG_QUALITY, quality)
        pixels = short_way(data)
        assert pixels is not None
        assert expect_as_libvips(data) == (size, pixels.tobytes())
        assert np.array_equal(pixels, by_opencv(data))


JPEGS = {
    "plain": PLAIN,
    "gray": by_pillow("L"),
    "gray, progressive": by_pillow("L", progressive=True),
    "profile": by_pillow("RGB", icc_profile=np.random.default_rng(0).bytes(150_000)),
    "comment": by_pillow("RGB", comment=b"something"),
    "optimized": by_pillow("RGB", optimize=True, quality=100),
    "rgb": by_pillow("RGB", keep_rgb=True),
    "xmp": PLAIN[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + PLAIN[2:],
    "adobe": PLAIN[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01") + PLAIN[20:],
    "adobe and jfif": PLAIN[:20] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01") + PLAIN[20:],
    "adobe rgb": PLAIN[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + PLAIN[20:],
    "neither jfif nor adobe": PLAIN[:2] + PLAIN[20:],
    "bytes behind": PLAIN + b"more",
    "exif": PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif_of(1, "<")) + PLAIN[2:],
}
SMALL_JPEGS = {
    "color": by_pillow("RGB", (9, 17)),
    "progressive": by_pillow("RGB", (9, 17), progressive=True, exif=exif_of(6, ">")),
    "gray": by_pillow("L", (9, 17), restart_marker_blocks=1, icc_profile=NOISE),
}
ODD_JPEGS = {
    "cmyk": by_pillow("CMYK"),
    "12 bits": PLAIN.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "extended": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11"),
    "lossless": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
    "two frames": PLAIN.replace(
        b"\xff\xc0\0\x11", PLAIN[PLAIN.index(b"\xff\xc0") :][:19] + b"\xff\xc0\0\x11"
    ),
    "no rows": PLAIN.replace(b"\xff\xc0\0\x11\x08\0\x21", b"\xff\xc0\0\x11\x08\0\0"),
    "parts": PLAIN[:2] + segment(0xE2, b"MPF\0" + bytes(50)) + PLAIN[2:],
    "gain map": PLAIN[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0hdrgm") + PLAIN[2:],
    "exif of noise": PLAIN[:2] + segment(0xE1, b"Exif\0\0" + NOISE) + PLAIN[2:],
    "exif twice": PLAIN[:2] + 2 * segment(0xE1, b"Exif\0\0" + exif_of(1, ">")) + PLAIN[2:],
    "garbage between": PLAIN[:20] + b"garbage" + PLAIN[20:],
    "fill byte": PLAIN[:20] + b"\xff" + PLAIN[20:],
    "table too long": PLAIN[:20] + segment(0xDB, bytes(70)) + PLAIN[20:],
    "segment of one byte": PLAIN[:20] + b"\xff\xe5\0\x01" + PLAIN[20:],
    "start only": b"\xff\xd8",
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_kinds_of_jpeg(data: bytes) -> None:
    pixels = short_way(data)
    assert pixels is not None
    assert expect_as_libvips(data) == ((33, 47), pixels.tobytes())
    assert np.array_equal(pixels, by_opencv(data))


@pytest.mark.parametrize("data", ODD_JPEGS.values(), ids=ODD_JPEGS)
def test_jpegs_that_are_left_to_libvips(data: bytes) -> None:
    assert header_of(data) is None
    expect_as_libvips(data)


@pytest.mark.parametrize("data", SMALL_JPEGS.values(), ids=SMALL_JPEGS)
def test_jpegs_cut_off_or_damaged_anywhere(data: bytes) -> None:
    assert short_way(data) is not None
    rng = np.random.default_rng(len(data))
    for i in range(2, len(data)):
        expect_as_libvips(data[:i])
        flip = 1 << int(rng.integers(8))
        expect_as_libvips(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])


def test_progressive_jpegs_that_lack_their_last_scans() -> None:
    data = JPEGS["gray, progressive"]
    scans = [i for i in range(len(data)) if data.startswith(b"\xff\xda", i)]
    assert len(scans) > 3
    for at in scans[1:]:
        expect_as_libvips(data[:at] + b"\xff\xd9")


# headers
