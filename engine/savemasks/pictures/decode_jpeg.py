"""Usual JPEGs → RGB, by libjpeg-turbo alone.

libvips decodes the others. It uses the same kind of library, but takes about 3 ms longer for a
1080p picture, whichever of its interfaces is used.
"""

import re

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ..scratch import Scratch
from .headers import ORIGINAL, Header, UnusualError, exif_orientation

EOI = b"\xff\xd9"
"""The marker behind the last scan."""

_START = b"\xff\xd8"
_FRAMES = {0xC0, 0xC1, 0xC2}  # sequential and progressive, Huffman-coded
_DEPTH = 8  # bits per sample
_SCAN = 0xDA
_APP1, _APP2 = 0xE1, 0xE2
_PLAIN = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # tables, restart interval, comment, APPn
_INKS = {"CMYK", "YCCK"}
_PROFILE = b"ICC_PROFILE\0"
# What ends the codes of a scan: any marker but those for restarts. 0xFF 0 is a byte of codes.
_MARKER = re.compile(rb"\xff+[^\xff\x00\xd0-\xd7]")
_GAIN_MAP = b"hdrgm"  # in the metadata of JPEGs that carry a second picture


def read_header(data: bytes) -> Header:
    """Read the header of a JPEG, or of the first part of one; raises `UnusualError`."""
    orientation = _orientation(data)
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError) as error:
        raise UnusualError from error
    if space not in {"YCbCr", "Gray", "RGB"}:
        raise UnusualError
    return Header(height, width, orientation)


def decode(data: bytes, header: Header, scratch: Scratch) -> NDArray[np.uint8]:
    """Decode a JPEG; raises `UnusualError` for any error or warning of libjpeg-turbo.

    Returns
    -------
    (height, width, 3) uint8 RGB as stored, in memory of `scratch`.
    """
    out = scratch.take(ORIGINAL, (header.height, header.width, 3))
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", buffer=out)
    except ValueError as error:
        raise UnusualError from error
    return pixels


def with_end(data: bytes) -> bytes | None:
    """The JPEG with its last marker if that is all that it lacks; None for every other file."""
    if not _has_all_scans(data):
        return None
    # The first half of the marker may be there.
    mended = data + (EOI[1:] if data.endswith(EOI[:1]) else EOI)
    try:
        *_, space, _ = simplejpeg.decode_jpeg_header(mended)
        # To an eighth of its size, for all codes are read, and it warns if any are missing.
        small = {"min_height": 1, "min_width": 1, "min_factor": 8}
        simplejpeg.decode_jpeg(mended, "CMYK" if space in _INKS else "RGB", **small)
    except (ValueError, KeyError):
        return None
    return mended


def _has_all_scans(data: bytes) -> bool:
    """Whether a JPEG ends in a scan, without a marker behind it, and none can follow."""
    missing: set[tuple[int, int]] = set()  # components and coefficients not known to the last bit
    at = 2
    while data.startswith(_START) and at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a byte for filling
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        content = data[at + 4 : at + 2 + length]
        if marker == EOI[1] or len(content) != length - 2 or not content:
            return False
        at += 2 + length
        if marker in _FRAMES:
            missing = {(c, k) for c in content[6::3] for k in range(64)}
        elif marker == _SCAN:
            count = content[0]
            if len(content) != 2 * count + 4:
                return False
            first, last, bits = content[-3:]
            if bits & 15 == 0:
                codes = range(first, last + 1)
                missing -= {(c, k) for c in content[1 : 2 * count : 2] for k in codes}
            end = _MARKER.search(data, at)
            if end is None:
                return not missing
            at = end.end() - 2
    return False


def _orientation(data: bytes) -> int:
    """Walk from segment to segment up to the first scan, looking for EXIF data.

    Raises `UnusualError` if there is a segment that usual JPEGs do not have, or no scan.
    """
    if data[:2] != _START:
        raise UnusualError
    found: list[int] = []
    frames = 0
    at = 2
    while at + 10 <= len(data):
        length = data[at + 2] << 8 | data[at + 3]
        marker = data[at + 1]
        if data[at] != 0xFF or length < 2:
            raise UnusualError
        if marker == _SCAN:
            if frames != 1 or len(found) > 1:
                raise UnusualError
            return found[0] if found else 1
        if marker in _FRAMES and data[at + 4] == _DEPTH:
            frames += 1
        elif marker not in _PLAIN:
            raise UnusualError
        elif marker == _APP1:
            found += _look_into(data[at + 4 : at + 2 + length])
        elif marker == _APP2 and not data.startswith(_PROFILE, at + 4):
            raise UnusualError
        at += 2 + length
    raise UnusualError


def _look_into(metadata: bytes) -> list[int]:
    """The orientation in an APP1 segment if it holds EXIF data."""
    if metadata.startswith(b"Exif\0\0"):
        return [exif_orientation(metadata[6:])]
    if metadata.startswith(b"Exif") or _GAIN_MAP in metadata:
        raise UnusualError
    return []
