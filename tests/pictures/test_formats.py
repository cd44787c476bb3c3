"""Formats that this installation cannot decode are named; what is no picture is not."""

import io
import pickle
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
from PIL import Image

from savemasks.errors import ImageError, UnreadFormatError
from savemasks.pictures import formats
from savemasks.pictures.original import Original
from savemasks.pictures.streamed import StreamedOriginal
from support.decoding import photo
from support.pictures import expect_pixels


def by_pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(33, 47)).convert(mode).save(file, kind, **options)
    return file.getvalue()


def tiff(*tags: tuple[int, int, int], order: str = "<", mark: bytes = b"") -> bytes:
    """A gray TIFF of 4 x 3 pixels with more tags of its first picture: tag, kind, value."""
    usual = [(256, 3, 4), (257, 3, 3), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 400)]
    usual += [(277, 3, 1), (278, 3, 3), (279, 4, 12)]
    entries = sorted({tag: (tag, kind, value) for tag, kind, value in (*usual, *tags)}.values())
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 16) + mark
    packed = b"".join(
        struct.pack(
            order + ("HHIHH" if kind == 3 else "HHII"), tag, kind, 1, value, *[0] * (kind == 3)
        )
        for tag, kind, value in entries
    )
    head = start.ljust(16, b"\0") + struct.pack(order + "H", len(entries)) + packed + bytes(4)
    return head.ljust(400, b"\0") + bytes(range(12))


CAMERA = ((254, 4, 1), (271, 2, 0), (330, 4, 0))
UNREAD = {
    "JPEG XL": b"\xff\x0a" + bytes(99),
    "JPEG 2000": by_pillow("JPEG2000"),
    "PSD": b"8BPS\0\x01" + bytes(99),
    "OpenEXR": b"v/1\x01" + bytes(99),
    "DICOM": bytes(128) + b"DICM" + bytes(99),
    "Netpbm": by_pillow("PPM"),
    "ICO": by_pillow("ICO"),
    "DDS": by_pillow("DDS"),
    "camera RAW (CR2)": tiff((271, 2, 0), mark=b"CR\2\0"),
    "camera RAW (CR3)": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99),
    "camera RAW (DNG)": tiff((254, 4, 1), (50706, 1, 0x0401), order=">"),
    "camera RAW": tiff(*CAMERA),
    "AVIF sequence": b"\0\0\0\x18ftypavis\0\0\0\0avifmif1" + bytes(99),
}
OTHERS = {
    "PDF": by_pillow("PDF"),
    "PostScript": by_pillow("EPS"),
    "MP4 or QuickTime video": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(99),
    "AVI video": b"RIFF\0\1\0\0AVI LIST" + bytes(99),
    "Matroska or WebM video": b"\x1a\x45\xdf\xa3" + bytes(99),
}


def messages(data: bytes, folder: Path) -> set[ImageError]:
    path = folder / "a picture"
    path.write_bytes(data)
    found = set()
    for opened in (lambda: Original(data), lambda: StreamedOriginal(str(path))):
        with pytest.raises(ImageError) as caught:
            opened()
        found.add(caught.value)
    return found


@pytest.mark.parametrize("name", UNREAD)
def test_a_picture_that_cannot_be_decoded_is_named(name: str, tmp_path: Path) -> None:
    for error in messages(UNREAD[name], tmp_path):
        assert isinstance(error, UnreadFormatError)
        assert error.picture_format == name
        expected = f"{name} is not supported by this installation; convert it to PNG or JPEG"
        assert str(error) == expected
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.picture_format, again.size) == (expected, name, None)


@pytest.mark.parametrize("name", OTHERS)
def test_a_film_or_document_is_named_but_is_no_picture(name: str, tmp_path: Path) -> None:
    for error in messages(OTHERS[name], tmp_path):
        assert not isinstance(error, UnreadFormatError)
        assert str(error).startswith(f"{name} is not supported by this installation")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\n<!DOCTYPE html><html><body>404", "cannot be decoded: it is a page of HTML"),
        (b"\xef\xbb\xbf <!-- x --> <HTML>", "cannot be decoded: it is a page of HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS"),
        (b"no picture", "cannot be decoded"),
        (b'{"error": 404}', "cannot be decoded"),
        (bytes(500), "cannot be decoded"),
    ],
)
def test_what_is_no_picture(data: bytes, words: str, tmp_path: Path) -> None:
    for error in messages(data, tmp_path):
        assert not isinstance(error, UnreadFormatError)
        assert words in str(error)


def test_a_format_is_not_called_unsupported_where_libvips_has_its_loader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "_has_loader", lambda name: name == "jp2kload")
    with pytest.raises(ImageError, match="cannot be decoded"):
        Original(UNREAD["JPEG 2000"])
    with pytest.raises(UnreadFormatError):
        Original(UNREAD["JPEG XL"])


def test_tiffs_that_only_look_like_raw_are_read(tmp_path: Path) -> None:
    gray = np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4, 1), 3, axis=2)
    for data in (
        tiff(),
        tiff(*CAMERA[1:2]),
        tiff((254, 4, 0), (50706, 1, 0x0401)),
        tiff((254, 4, 2), *CAMERA[1:2]),
        tiff(mark=b"CR\2\0"),
    ):
        expect_pixels(data, gray, tmp_path)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_ycbcr_in_tiff_is_refused_unless_it_is_jpeg(compression: str, tmp_path: Path) -> None:
    for error in messages(by_pillow("TIFF", "YCbCr", compression=compression), tmp_path):
        assert "has samples of YCbCr" in str(error)
    data = by_pillow("TIFF", "RGB", compression="jpeg")
    with Image.open(io.BytesIO(data)) as image:
        expect_pixels(data, np.asarray(image.convert("RGB")), tmp_path)


def test_floats_in_tiff_are_refused_in_three_bands_too(tmp_path: Path) -> None:
    ok, data = cv2.imencode(".tif", photo(5, 6).astype(np.float32))
    assert ok
    for error in messages(data.tobytes(), tmp_path):
        assert "has samples of type float" in str(error)


def test_photos_with_a_map_for_bright_screens_are_what_others_show(tmp_path: Path) -> None:
    if not pyvips.type_find("VipsOperation", "uhdrsave"):
        pytest.skip("this libvips does not write them")
    light = pyvips.Image.new_from_memory(
        (photo(64, 96) / np.float32(255)).astype(np.float32).tobytes(), 96, 64, 3, "float"
    )
    data = light.copy(interpretation="scrgb").uhdrsave_buffer()
    with Image.open(io.BytesIO(data)) as image:
        expect_pixels(data, np.asarray(image.convert("RGB")), tmp_path)
