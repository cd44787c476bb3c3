"""Everyday JPEGs → RGB, through libjpeg-turbo alone.

libvips, which decodes the others, does it through the same kind of library, but on its way copies
every row twice and starts threads.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from .headers import Header, exif_orientation
from .scratch import Scratch

_START = b"\xff\xd8"
_FRAMES = {0xC0, 0xC1, 0xC2}  # sequential and progressive, Huffman-coded
_SCAN = 0xDA
_APP1, _APP2 = 0xE1, 0xE2
_PLAIN = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # tables, restart interval, comment, APPn
_GAIN_MAP = b"hdrgm"  # in the metadata of pictures that are more than their JPEG


def read_header(data: bytes) -> Header | None:
    """Read the header of a JPEG, or of the first part of one; None if anything is unusual."""
    orientation = _orientation(data)
    if orientation is None:
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError):
        return None
    return Header(height, width, orientation) if space in ("YCbCr", "Gray", "RGB") else None


def decode(data: bytes, header: Header, scratch: Scratch) -> NDArray[np.uint8] | None:
    """Decode a JPEG; None if libjpeg-turbo so much as warns.

    Returns
    -------
    (height, width, 3) uint8 RGB as stored, in memory of `scratch`.
    """
    out = scratch.take("original", (header.height, header.width, 3))
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", buffer=out)
    except ValueError:
        return None
    return pixels


def _orientation(data: bytes) -> int | None:
    """Walk from segment to segment up to the first scan, looking for EXIF data.

    None if there is a segment that everyday JPEGs do not have, or if the scan is not reached.
    """
    if data[:2] != _START:
        return None
    orientation = None
    frames = 0
    at = 2
    while at + 10 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        length = data[at + 2] << 8 | data[at + 3]
        if marker == _SCAN:
            return (orientation or 1) if frames == 1 else None
        if marker in _FRAMES:
            if data[at + 4] != 8:  # bits per sample
                return None
            frames += 1
        elif marker not in _PLAIN or length < 2:
            return None
        elif marker == _APP1:
            content = data[at + 4 : at + 2 + length]
            if content.startswith(b"Exif"):
                if orientation is not None or content[4:6] != b"\0\0":
                    return None
                orientation = exif_orientation(content[6:])
                if orientation is None:
                    return None
            elif _GAIN_MAP in content:
                return None
        elif marker == _APP2 and not data.startswith(b"ICC_PROFILE\0", at + 4):
            return None
        at += 2 + length
    return None
