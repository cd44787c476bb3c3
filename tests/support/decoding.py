"""Pictures of every kind, and both ways to decode them: the short one, and libvips."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from savemasks.errors import ImageError
from savemasks.pictures import decode_jpeg, decode_png
from savemasks.pictures.headers import Header, UnusualError
from savemasks.pictures.original import Original
from savemasks.scratch import Scratch

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8)]
SIZES = [(1, 1), (1, 7), (9, 1), (2, 3), (13, 37), (40, 17)]
NOISE = np.random.default_rng(3).bytes(300)
Outcome = tuple[Any, ...]


def refuse(_: bytes) -> NoReturn:
    raise UnusualError


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG")


def header_of(data: bytes) -> Header | None:
    """Header as the short way reads it, None if it is unusual."""
    read_header = decode_png.read_header if is_png(data) else decode_jpeg.read_header
    try:
        return read_header(data)
    except UnusualError:
        return None


@contextmanager
def long_way() -> Iterator[None]:
    """Leave everything to libvips."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (decode_jpeg, decode_png):
            patch.setattr(module, "read_header", refuse)
        yield


def outcome(data: bytes) -> Outcome:
    """Size and pixels, or what went wrong where.

    What libvips says of pixels that it cannot decode depends on which of its threads was first.
    """
    size = None
    pyvips.vips_lib.vips_error_clear()  # of what libvips warned of in earlier pictures
    try:
        original = Original(data)
        size = original.size
        return (size, original.pixels(Scratch()).tobytes())
    except ImageError as error:
        return size, str(error) if size is None else str(error).partition(":")[0]


def expect_as_libvips(data: bytes) -> Outcome:
    made = outcome(data)
    with long_way():
        expected = outcome(data)
    assert made == expected
    return made


def short_way(data: bytes) -> NDArray[np.uint8] | None:
    """What the short way alone makes of a picture."""
    header = header_of(data)
    decode = decode_png.decode if is_png(data) else decode_jpeg.decode
    try:
        return decode(data, header, Scratch()) if header else None
    except UnusualError:
        return None


def chunk(name: bytes, content: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(
    scanlines: bytes,
    size: tuple[int, int],
    kind: tuple[int, int],
    *,
    before: bytes = b"",
    between: bytes = b"",
    parts: int = 1,
    interlace: int = 0,
    stream: bytes | None = None,
    palette: bytes | None = None,
) -> bytes:
    """A PNG of filtered scanlines; `kind` is colour type and bits per sample."""
    colour, depth = kind
    stream = zlib.compress(scanlines) if stream is None else stream
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, interlace)
    if palette is None and colour == 3:
        palette = np.random.default_rng(7).bytes(3 << depth)
    at = [len(stream) * i // parts for i in range(parts + 1)]
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            before,
            chunk(b"PLTE", palette) if palette is not None else b"",
            between,
            *(chunk(b"IDAT", stream[a:b]) for a, b in pairwise(at)),
            chunk(b"IEND", b""),
        ]
    )


def scanlines(size: tuple[int, int], kind: tuple[int, int], filters: list[int], seed: int) -> bytes:
    """Rows of noise with the filters in turn: every byte sequence is some picture."""
    stride = (size[1] * kind[1] * CHANNELS[kind[0]] + 7) // 8
    rows = np.random.default_rng(seed).integers(0, 256, (size[0], stride + 1)).astype(np.uint8)
    rows[:, 0] = np.resize(filters, size[0])
    return rows.tobytes()


def by_opencv(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    assert decoded is not None
    return decoded[:, :, ::-1].astype(np.uint8)


def photo(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 1000 + width)
    noise = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 1.5).reshape(noise.shape).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], *options: int) -> bytes:
    ok, data = cv2.imencode(".jpg", pixels, options)
    assert ok
    return data.tobytes()


def by_pillow(mode: str, size: tuple[int, int] = (33, 47), **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(*size)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def exif_of(orientation: int, byte_order: str) -> bytes:
    mark = {"<": b"II*\0", ">": b"MM\0*"}[byte_order]
    return (
        mark
        + struct.pack(
            byte_order + "IHHHIHHHHII", 8, 2, 0x0112, 3, 1, orientation, 0, 0x0128, 3, 1, 2
        )
        + bytes(8)
    )


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


PLAIN = by_pillow("RGB")
