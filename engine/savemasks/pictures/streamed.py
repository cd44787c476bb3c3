"""Pictures too large for memory, decoded from top to bottom, a few rows at a time.

libvips decodes the rows when they are requested. It unpacks pictures that it cannot decode in that
order (those that EXIF turns) into a temporary file, in the folder that the environment variable
TMPDIR names.
"""

import math
import os
from functools import partial
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import ImageError
from .decode_jpeg import EOI, with_end
from .decode_pillow import Bmp, Heic, is_for_pillow, open_whole
from .decode_vips import is_turned, to_rgb, upright_size
from .formats import HEAD, check_readable, refusal, undecodable
from .original import check_size
from .vips_errors import with_own_message

_JPEG_LOADERS = ("jpegload", "uhdrload")
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
        self._pixels: NDArray[np.uint8] | None = None
        self._next = 0
        self._most: float = math.inf
        try:
            self._bytes = os.stat(path).st_size
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error
        head = _head(path)
        self._whole = _open_whole(path, head)
        if self._whole:
            self.size = self._whole.size
        else:
            self._image = _open(path, "sequential")
            self.size = upright_size(self._image)
            check_readable(self._image, self.size, lambda at, size: _read(path, at, size))

    def check_size(self, height: int, width: int) -> None:
        """Raise `ImageError` unless the picture has the size that its annotation says."""
        check_size(self.size, height, width)

    def check_memory(self, most: int) -> None:
        """Raise `ImageError` if decoding needs more than `most` bytes, or cannot succeed.

        The decoders of some kinds hold the whole picture, even if only rows are requested.
        """
        self._most = most
        needed = self._bytes_as_a_whole()
        if needed > most:
            raise ImageError(
                f"is of a kind that is decoded only as a whole, which takes about {needed >> 20}"
                f" MiB, and {most >> 20} are allowed (--memory); save it as another kind"
            )

    def _bytes_as_a_whole(self) -> int:
        """Memory for decoding, or 0 if rows are decoded as they are requested."""
        if self._whole:
            return self.size[0] * self.size[1] * self._whole.decoding_bytes
        pixels = self._image.width * self._image.height
        is_whole = bool(self._image.get_typeof("interlaced") and self._image.get("interlaced"))
        if self._is_jpeg and pixels > _MOST_JPEG_PIXELS * self._bytes:
            raise ImageError("is cut off: so few bytes cannot be a JPEG of so many pixels")
        if not (is_whole or self._loader.startswith(_WHOLE)):
            return 0
        return int(pixels * (_COEFFICIENTS if self._is_jpeg else _SAMPLES))

    def read(self, out: NDArray[np.uint8]) -> None:
        """Decode the next rows into `out` (rows, width, 3), as `Original.pixels` does all.

        Raises `ImageError` if the picture is damaged or cut off.
        """
        rows, width = out.shape[:2]
        first, self._next = self._next, self._next + rows
        if self._whole:
            if self._pixels is None:
                self._pixels = self._whole.pixels()
            out[:] = self._pixels[first : first + rows]
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
        file = (self._with_end() if self._is_jpeg else None) or self._path
        if is_turned(self._image):
            return to_rgb(_open(file, "random").autorot())
        return to_rgb(self._image if file is self._path else _open(file, "sequential"))

    def _with_end(self) -> bytes | None:
        """The contents of a JPEG with its last marker, if that is all that the file lacks."""
        scaled = self.size[0] * self.size[1] // 16
        if self._bytes + scaled > self._most:
            return None
        try:
            with open(self._path, "rb") as file:
                file.seek(-2, os.SEEK_END)
                if file.read() == EOI:
                    return None
                file.seek(0)
                return with_end(file.read())
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error

    @property
    def _loader(self) -> str:
        return str(self._image.get("vips-loader"))

    @property
    def _is_jpeg(self) -> bool:
        return self._loader.startswith(_JPEG_LOADERS)


def _open(file: str | bytes, access: str) -> pyvips.Image:
    """Open a file by its path, or its contents."""
    try:
        return with_own_message(partial(_new_image, file, access))
    except pyvips.Error as error:
        raise refusal(file[:HEAD] if isinstance(file, bytes) else _head(file), error) from error


def _new_image(file: str | bytes, access: str) -> pyvips.Image:
    if isinstance(file, bytes):
        return pyvips.Image.new_from_buffer(file, "", access=access, fail_on="error")
    # By name, libvips would read brackets at the end of the file's name as options.
    source = pyvips.Source.new_from_file(os.fsencode(file))
    return pyvips.Image.new_from_source(source, "", access=access, fail_on="error")


def _head(path: str) -> bytes:
    return _read(path, size=HEAD)


def _open_whole(path: str, head: bytes) -> Bmp | Heic | None:
    """Read what libvips does not take at once: a BMP cannot have more than 4 GB."""
    return open_whole(_read(path)) if is_for_pillow(head) else None


def _read(path: str, at: int = 0, size: int = -1) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(at)
            return file.read(size)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
