"""A picture through both paths: as a whole, and in strips."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savemasks.pictures.original import Original
from savemasks.pictures.streamed import StreamedOriginal

Pixels = NDArray[np.uint8]


def in_strips(data: bytes, folder: Path, rows: int = 7, memory: int = 1 << 30) -> Pixels:
    """Decode a file from top to bottom, so many rows at a time."""
    path = folder / "a picture"
    path.write_bytes(data)
    original = StreamedOriginal(str(path))
    original.check_memory(memory)
    out = np.empty((*original.size, 3), np.uint8)
    for top in range(0, len(out), rows):
        original.read(out[top : top + rows])
    return out


def expect_pixels(data: bytes, expected: Pixels, folder: Path) -> None:
    """Both paths give exactly these pixels."""
    for made in (Original(data).pixels(), in_strips(data, folder)):
        assert made.shape == expected.shape
        assert (made == expected).all()
