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
from ..scratch import Buffer, Scratch
from . import decode_jpeg, decode_png
from .decode_pillow import open_whole
from .formats import HEAD, check_readable, refusal, undecodable
from .headers import Header, UnusualError

_RGB = 3
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
            self._image = _open(data)
            self.size = upright_size(self._image)
            check_readable(self._image, self.size, lambda at, n: data[at : at + n])

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
            image = self._image or _open(self._data)
            if is_turned(image):
                # Turning needs the rows in another order than they are stored.
                image = image.copy_memory().autorot()
            decoded = to_rgb(image).write_to_memory()
        except pyvips.Error as error:
            if mended := decode_jpeg.with_end(self._data):
                return Original(mended).pixels(scratch)
            raise undecodable(error) from error
        return np.frombuffer(decoded, np.uint8).reshape(*self.size, 3)


def _open(data: bytes) -> pyvips.Image:
    # libvips keeps messages about earlier pictures, and would add them to an error of this one.
    pyvips.vips_lib.vips_error_clear()
    try:
        return pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise refusal(data[:HEAD], error) from error


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


def is_turned(image: pyvips.Image) -> bool:
    """Whether EXIF data say that the picture is to be turned or mirrored."""
    return bool(image.get_typeof("orientation") and image.get("orientation") != 1)


def upright_size(image: pyvips.Image) -> tuple[int, int]:
    """Height and width, EXIF orientation applied."""
    turned = image.get_typeof("orientation") and image.get("orientation") in (5, 6, 7, 8)
    return (image.width, image.height) if turned else (image.height, image.width)


def to_rgb(image: pyvips.Image) -> pyvips.Image:
    """Three bands of 8-bit samples."""
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
    if image.interpretation == "cmyk" and image.format == "uchar":
        return _cmyk_to_rgb(image)
    if image.interpretation not in ("srgb", "rgb", "rgb16", "b-w", "grey16", "multiband"):
        image = image.colourspace("srgb")
    if image.format != "uchar":
        raise ImageError(f"has samples of type {image.format}; 8 and 16 bits are supported")
    if image.bands < _RGB:
        image = image[0]
        return image.bandjoin([image, image])
    return image[0:_RGB] if image.bands > _RGB else image


def _cmyk_to_rgb(image: pyvips.Image) -> pyvips.Image:
    """(255 - C) (255 - K) / 255 and so on, rounded as Pillow does; profiles are ignored."""
    light = image[3].invert()
    inked = (image[0:3] * light + 128).cast("uint")
    return (light - (((inked >> 8) + inked) >> 8)).cast("uchar").copy(interpretation="srgb")
