"""What is read of JPEGs and PNGs before they are decoded: size and orientation."""

from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.pictures.headers import ORIGINAL, UnusualError, exif_orientation
from savemasks.pictures.original import Original
from savemasks.scratch import Scratch
from support.decoding import (
    PLAIN,
    chunk,
    exif_of,
    expect_as_libvips,
    header_of,
    jpeg,
    photo,
    png,
    scanlines,
    segment,
)

pytestmark = pytest.mark.usefixtures("no_libvips_cache")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_the_orientation_is_in_the_size(orientation: int, byte_order: str) -> None:
    exif = exif_of(orientation, byte_order)
    usual = 1 <= orientation <= 8
    if usual:
        assert exif_orientation(exif) == orientation
    picture = png(scanlines((5, 3), (2, 8), [0], 2), (5, 3), (2, 8), before=chunk(b"eXIf", exif))
    photo = PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif) + PLAIN[2:]
    for data in (picture, photo):
        header = header_of(data)
        assert (header is not None) == usual
        expect_as_libvips(data)
        if header:
            assert header.orientation == orientation
            assert header.upright_size == Original(data).size


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_exif_data(data: st.DataObject) -> None:
    exif = bytearray(exif_of(data.draw(st.integers(0, 9)), data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(0, 4))):
        exif[data.draw(st.integers(0, len(exif) - 1))] = data.draw(st.integers(0, 255))
    del exif[data.draw(st.integers(8, len(exif))) :]
    photo = PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif) + PLAIN[2:]
    picture = png(
        scanlines((5, 3), (2, 8), [0], 2), (5, 3), (2, 8), before=chunk(b"eXIf", bytes(exif))
    )
    expect_as_libvips(photo)
    expect_as_libvips(picture)


def test_the_first_part_of_a_file_is_enough_for_its_header() -> None:
    big = jpeg(photo(600, 800), cv2.IMWRITE_JPEG_QUALITY, 95)
    assert header_of(big[:2000]) == (600, 800, 1)
    picture = png(scanlines((50, 30), (2, 8), [0], 2), (50, 30), (2, 8))
    assert header_of(picture[:60]) == (50, 30, 1)
    for data in (big, picture):
        full = header_of(data)
        sure = [header_of(data[:n]) for n in range(1, 1000)]
        assert {*sure} == {None, full}
        assert sure == sorted(sure, key=lambda header: header is not None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_hostile_bytes_are_not_surely_a_header(noise: bytes) -> None:
    for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n"):
        assert header_of(start + noise) is None
    with suppress(UnusualError):
        exif_orientation(b"II*\0" + noise)


def test_pixels_lie_in_the_scratch_memory() -> None:
    scratch = Scratch()
    for data in (PLAIN, png(scanlines((33, 47), (2, 8), [4], 2), (33, 47), (2, 8))):
        pixels = Original(data).pixels(scratch)
        assert np.shares_memory(pixels, scratch.take(ORIGINAL, (33, 47, 3)))
