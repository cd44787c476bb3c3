"""Unusual pictures → RGB, by libvips. It loads little, for the helper of a forked child uses it."""

from functools import partial
from itertools import chain

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import ImageError
from .formats import HEAD, check_readable, refusal, undecodable
from .vips_errors import with_own_message

_RGB = 3


def read_size(data: bytes) -> tuple[int, int]:
    """Height and width, turned upright; raises `ImageError` if it cannot be decoded."""
    return open_readable(data)[1]


def open_readable(data: bytes) -> tuple[pyvips.Image, tuple[int, int]]:
    """A picture of which the header has been read, and its size; raises `ImageError`."""
    image = _open(data)
    size = upright_size(image)
    check_readable(image, size, lambda at, n: data[at : at + n])
    return image, size


def decode(data: bytes, opened: pyvips.Image | None = None) -> NDArray[np.uint8]:
    """Decode a picture whose header is sound; `opened` is it, if it has been opened already.

    Returns (height, width, 3) uint8 RGB, upright; raises `ImageError`.
    """
    again = iter(partial(_new_image, data), None)
    images = chain([opened or _open(data)], again)
    try:
        return with_own_message(lambda: _pixels(next(images)))
    except pyvips.Error as error:
        raise undecodable(error) from error


def _pixels(image: pyvips.Image) -> NDArray[np.uint8]:
    height, width = upright_size(image)
    decoded = to_rgb(upright(image)).write_to_memory()
    return np.frombuffer(decoded, np.uint8).reshape(height, width, _RGB)


def _open(data: bytes) -> pyvips.Image:
    try:
        return with_own_message(partial(_new_image, data))
    except pyvips.Error as error:
        raise refusal(data[:HEAD], error) from error


def _new_image(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error")


def upright(image: pyvips.Image) -> pyvips.Image:
    """The picture with its EXIF orientation applied."""
    # Turning needs the rows in another order than they are stored.
    return image.copy_memory().autorot() if is_turned(image) else image


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
