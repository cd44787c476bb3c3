"""Pictures too large for memory, decoded from top to bottom, a few rows at a time.

libvips decodes the rows when they are requested. It unpacks pictures that it cannot decode in that
order (those that EXIF turns) into a temporary file, in the folder that the environment variable
TMPDIR names.
"""

import os
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import ImageError
from .original import Original, check_size, is_turned, to_rgb, undecodable, upright_size

_COPIED = 1 << 19  # bytes
_WHOLE = ("webpload", "gifload", "heifload", "jp2kload", "jxlload")
# Bytes a pixel of pictures that are decoded as a whole: coefficients of JPEG, else four samples.
_COEFFICIENTS, _SAMPLES = 6, 4
# A JPEG of Huffman codes has at least a bit for every 8 x 8 pixels.
_MOST_JPEG_PIXELS = 512  # for a byte


class StreamedOriginal:
    """A picture in a file, whose header has been read, and nothing else.

    Attributes
    ----------
    size
        Height and width in pixels, EXIF orientation applied.
    """

    def __init__(self, path: str) -> None:
        """Read the header; raises `ImageError` if it is no picture."""
        self._path = path
        self._region: Any = None
        self._whole: NDArray[np.uint8] | None = None
        self._next = 0
        try:
            self._bytes = os.stat(path).st_size
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error
        self._bmp = _open_bmp(path)
        if self._bmp:
            self.size = self._bmp.size
        else:
            self._image = _open(path, "sequential")
            self.size = upright_size(self._image)

    def check_size(self, height: int, width: int) -> None:
        """Raise `ImageError` unless the picture has the size that its annotation says."""
        check_size(self.size, height, width)

    def check_memory(self, most: int) -> None:
        """Raise `ImageError` if decoding needs more than `most` bytes, or cannot succeed.

        The decoders of some kinds hold the whole picture, even if only rows are requested.
        """
        if self._bmp:
            return
        pixels = self._image.width * self._image.height
        loader = self._image.get("vips-loader")
        is_jpeg = loader.startswith("jpegload")
        is_whole = bool(self._image.get_typeof("interlaced") and self._image.get("interlaced"))
        if is_jpeg and pixels > _MOST_JPEG_PIXELS * self._bytes:
            raise ImageError("is cut off: so few bytes cannot be a JPEG of so many pixels")
        if not (is_whole or loader.startswith(_WHOLE)):
            return
        needed = pixels * (_COEFFICIENTS if is_jpeg else _SAMPLES)
        if needed > most:
            raise ImageError(
                f"is of a kind that is decoded only as a whole, which takes about {needed >> 20}"
                f" MiB, and {most >> 20} are allowed (--memory); save it as another kind"
            )

    def read(self, out: NDArray[np.uint8]) -> None:
        """Decode the next rows into `out` (rows, width, 3), as `Original.pixels` does all.

        Raises `ImageError` if the picture is damaged or cut off.
        """
        rows, width = out.shape[:2]
        first, self._next = self._next, self._next + rows
        if self._bmp:
            if self._whole is None:
                self._whole = self._bmp.pixels()
            out[:] = self._whole[first : first + rows]
            return
        try:
            if self._region is None:
                self._region = pyvips.Region.new(self._upright())
            # Few rows at a time: libvips returns copies, and small ones stay in the caches.
            step = max(1, _COPIED // (3 * width))
            for top in range(0, rows, step):
                piece = out[top : top + step]
                data = self._region.fetch(0, first + top, width, len(piece))
                piece[:] = np.frombuffer(data, np.uint8).reshape(piece.shape)
        except pyvips.Error as error:
            raise undecodable(error) from error

    def _upright(self) -> pyvips.Image:
        if is_turned(self._image):
            return to_rgb(_open(self._path, "random").autorot())
        return to_rgb(self._image)


def _open(path: str, access: str) -> pyvips.Image:
    # libvips keeps messages about earlier pictures, and would add them to an error of this one.
    pyvips.vips_lib.vips_error_clear()
    try:
        # By name, libvips would read brackets at the end of the file's name as options.
        source = pyvips.Source.new_from_file(os.fsencode(path))
        return pyvips.Image.new_from_source(source, "", access=access, fail_on="error")
    except pyvips.Error as error:
        raise undecodable(error) from error


def _open_bmp(path: str) -> Original | None:
    """Read a BMP at once: libvips does not take it, and it cannot have more than 4 GB."""
    try:
        with open(path, "rb", buffering=0) as file:
            start = file.read(2)
            return Original(start + file.read()) if start == b"BM" else None
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
