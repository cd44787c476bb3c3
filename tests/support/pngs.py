"""PNGs read back: by three independent decoders, and chunk by chunk."""

import io
import struct
import zlib

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image


def read_by_pillow(png: bytes) -> NDArray[np.uint8]:
    Image.open(io.BytesIO(png)).verify()
    return np.asarray(Image.open(io.BytesIO(png)))


def read_by_opencv(png: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels[:, :, ::-1] if pixels.ndim == 3 else pixels  # type: ignore[return-value]


def read_by_libvips(png: bytes) -> NDArray[np.uint8]:
    image = pyvips.Image.new_from_buffer(png, "", fail_on="warning")
    pixels: NDArray[np.uint8] = image.numpy()
    return pixels


DECODERS = [read_by_pillow, read_by_opencv, read_by_libvips]


def assert_decodes_to(png: bytes, pixels: NDArray[np.uint8]) -> None:
    for decode in DECODERS:
        assert (decode(png) == pixels).all(), decode.__name__


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """Names and data of all chunks; lengths and checksums must be right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        body = png[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == struct.unpack_from(">I", png, at + 8 + length)[0]
        found.append((body[:4], body[4:]))
        at += 12 + length
    assert at == len(png)
    return found
