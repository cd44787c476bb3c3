"""What the header of a picture tells before anything is decoded.

Our own readers (`decode_jpeg`, `decode_png`) take only what is surely good, and say None to all
else: then libvips decides, and words the error.
"""

import struct
from typing import NamedTuple

_ORIENTATION = 0x0112
_SHORT = 3
# A directory that is longer, or data that is, is cut by the EXIF library of libvips.
_MOST_ENTRIES = 200
_MOST_BYTES = 0xFFF0


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
        """Height and width, the orientation applied."""
        size = self.height, self.width
        return size if self.orientation < 5 else size[::-1]


def exif_orientation(exif: bytes) -> int | None:
    """Orientation in EXIF data that start with their byte order; None if they are not plain."""
    byte_order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if byte_order is None or not 14 <= len(exif) <= _MOST_BYTES:
        return None
    (first,) = struct.unpack_from(byte_order + "I", exif, 4)
    if not 8 <= first <= len(exif) - 2:
        return None
    (count,) = struct.unpack_from(byte_order + "H", exif, first)
    entries = exif[first + 2 : first + 2 + 12 * count]
    if count > _MOST_ENTRIES or len(entries) < 12 * count:
        return None
    found = 1
    seen = False
    for tag, kind, values, value in struct.iter_unpack(byte_order + "HHIH2x", entries):
        if tag == _ORIENTATION:
            if seen or (kind, values) != (_SHORT, 1) or not 1 <= value <= 8:
                return None
            seen = True
            found = value
    return found
