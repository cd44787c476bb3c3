"""The header of a picture: size and orientation, read before anything is decoded.

Our own readers (`decode_jpeg`, `decode_png`) take only pictures that are certainly sound. They call
all others unusual; libvips then decodes them, or reports the error.
"""

import struct
from typing import NamedTuple

from ..scratch import Buffer

ORIGINAL = Buffer("original")
"""The pixels of a picture as stored, whichever way they are decoded."""

_ORIENTATION = 0x0112
_SHORT = 3
# The EXIF library of libvips cuts longer directories and longer data.
_MOST_ENTRIES = 200
_MOST_BYTES = 0xFFF0


class UnusualError(Exception):
    """Our own readers do not take this picture: it is damaged, or of a rare kind."""


class Header(NamedTuple):
    """A sound header.

    Attributes
    ----------
    height, width
        Of the pixels as they are stored.
    orientation
        That of EXIF, 1 to 8; 1 is upright.
    """

    height: int
    width: int
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after applying the orientation."""
        size = self.height, self.width
        return size if self.orientation < 5 else size[::-1]


def exif_orientation(exif: bytes) -> int:
    """Orientation in EXIF data that start with their byte order; raises `UnusualError`."""
    byte_order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if byte_order is None or not 14 <= len(exif) <= _MOST_BYTES:
        raise UnusualError
    (first,) = struct.unpack_from(byte_order + "I", exif, 4)
    if not 8 <= first <= len(exif) - 2:
        raise UnusualError
    (count,) = struct.unpack_from(byte_order + "H", exif, first)
    entries = exif[first + 2 : first + 2 + 12 * count]
    if count > _MOST_ENTRIES or len(entries) < 12 * count:
        raise UnusualError
    found = [
        (kind, values, value)
        for tag, kind, values, value in struct.iter_unpack(byte_order + "HHIH2x", entries)
        if tag == _ORIENTATION
    ]
    if not found:
        return 1
    kind, values, orientation = found[0]
    if len(found) > 1 or kind != _SHORT or values != 1 or not 1 <= orientation <= 8:
        raise UnusualError
    return int(orientation)
