"""Pictures in: any format that libvips reads → 8-bit RGB, as the viewer shows it.

Usual JPEGs and PNGs are decoded without libvips, which is faster and gives the same pixels.
Pictures that are unusual, or damaged in any way, are left to libvips, which decodes or refuses
them.
"""

from contextlib import suppress

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import ImageError
from ..forks import by_libvips, libvips_is_lost
from ..scratch import Buffer, Scratch
from . import decode_jpeg, decode_png, decode_vips
from .decode_pillow import open_whole
from .headers import Header, UnusualError

_UPRIGHT = Buffer("upright original")
_PIXEL = np.dtype("V3")  # NumPy moves it at once, not sample by sample


class Original:
    """A picture whose header has been read, and nothing else.

    Attributes
    ----------
    size
        Height and width in pixels, EXIF orientation applied.
    """

    def __init__(self, data: bytes) -> None:
        """Read the header; raises `ImageError` if it is no picture, or none that can be decoded."""
        if not data:
            raise ImageError("the file is empty")
        self._data = data
        self._image: pyvips.Image | None = None
        self._header: Header | None = None
        self._whole = open_whole(data)
        if self._whole:
            self.size = self._whole.size
            return
        self._is_png = data.startswith(b"\x89PNG")
        try:
            read_header = decode_png.read_header if self._is_png else decode_jpeg.read_header
            self._header = read_header(data)
            self.size = self._header.upright_size
        except UnusualError:
            if libvips_is_lost():
                self.size = by_libvips(decode_vips.read_size, data)
            else:
                self._image, self.size = decode_vips.open_readable(data)

    def check_size(self, height: int, width: int) -> None:
        """Raise `ImageError` unless the picture has the size that its annotation says."""
        check_size(self.size, height, width)

    def pixels(self, scratch: Scratch | None = None) -> NDArray[np.uint8]:
        """Decode to (height, width, 3) uint8 RGB. Call it once at most.

        EXIF orientation is applied, alpha is dropped, gray is repeated in three channels, 16-bit
        samples are shifted right by 8. Raises `ImageError` if the picture is damaged or cut off.
        The pixels may lie in memory of `scratch`; the next picture overwrites them.
        """
        if self._header:
            scratch = scratch or Scratch()
            decode = decode_png.decode if self._is_png else decode_jpeg.decode
            with suppress(UnusualError):
                pixels = decode(self._data, self._header, scratch)
                return _upright(pixels, self._header.orientation, scratch)
        if self._whole:
            return self._whole.pixels()
        try:
            if self._image and not libvips_is_lost():
                return decode_vips.decode(self._data, self._image)
            return by_libvips(decode_vips.decode, self._data)
        except ImageError:
            if mended := decode_jpeg.with_end(self._data):
                return Original(mended).pixels(scratch)
            raise


def _upright(pixels: NDArray[np.uint8], orientation: int, scratch: Scratch) -> NDArray[np.uint8]:
    """Apply an EXIF orientation."""
    if orientation == 1:
        return pixels
    turned = pixels.view(_PIXEL)[:, :, 0]
    if orientation >= 5:
        turned = turned.T
    if orientation in {2, 3, 6, 7}:
        turned = turned[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        turned = turned[::-1]
    out: NDArray[np.uint8] = scratch.take(_UPRIGHT, (*turned.shape, 3))
    out.view(_PIXEL)[:, :, 0] = turned
    return out


def check_size(size: tuple[int, int], height: int, width: int) -> None:
    """Raise `ImageError` unless a picture has the size that its annotation says."""
    if size != (height, width):
        raise ImageError(
            f"is {size[1]} x {size[0]} pixels, but its annotation says {width} x {height}"
        )
