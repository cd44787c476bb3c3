"""Small pictures for galleries: originals with their classes over them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pyvips
import simplejpeg
from numpy.typing import NDArray

from ..pictures import decode_jpeg
from ..pictures.decode_pillow import is_for_pillow
from ..pictures.headers import UnusualError
from ..pictures.original import Original
from .label_pictures import LARGE_SIDE, Labels

SIDE = 320
"""The longest side of a thumbnail; usual JPEGs may come out a little larger or smaller."""

_JPEG = b"\xff\xd8\xff"
_LEAST, _MOST = 220, 400
_MOST_BYTES = 20_000
_QUALITIES = (75, 60, 45, 30, 15)
_PREVIEW_QUALITY = 85
_UNPAINTED = np.uint32(0x20202020)  # gray of what no class covers, where there is no original
_UPPER_BITS = np.uint32(0xFEFEFEFE)  # of every byte, all but the lowest

Pixels = NDArray[np.uint32]
"""(height, width), of which every pixel is the bytes R, G, B and one that is not used."""


def small_original(content: bytes) -> Pixels:
    """Decode a picture, at most about `SIDE` large.

    Raises `pyvips.Error` or `ImageError` if it cannot be decoded.
    """
    if not is_for_pillow(content[:64]):
        with suppress(UnusualError, ValueError):
            return _scaled_jpeg(content)
    return _pixels(_at_most(content, SIDE))


def _at_most(content: bytes, side: int) -> pyvips.Image:
    """Open a picture, upright and made smaller if a side is longer than that."""
    if is_for_pillow(content[:64]):
        image = pyvips.Image.new_from_array(Original(content).pixels())
        return image.thumbnail_image(side, height=side, size="down")
    # Its own `fail_on` does not reach the loader.
    options = {"height": side, "size": "down", "option_string": "fail_on=error"}
    return pyvips.Image.thumbnail_buffer(content, side, **options)


def _scaled_jpeg(content: bytes) -> Pixels:
    """A usual JPEG, scaled while it is decoded: faster than libvips by half.

    Raises `UnusualError` or `ValueError`; libvips then decodes or refuses it.
    """
    header = decode_jpeg.read_header(content)
    if header.orientation != 1:
        raise UnusualError
    longest = max(header.width, header.height)
    side = "min_width" if longest == header.width else "min_height"
    least = {side: longest if longest <= SIDE else _LEAST}
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        content, "RGBX", fastdct=True, fastupsample=True, min_factor=1, **least
    )
    if max(pixels.shape) <= _MOST:
        return pixels.view(np.uint32)[..., 0]
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels[..., :3]))
    return _pixels(image.thumbnail_image(SIDE, height=SIDE, size="down"))


def _srgb(image: pyvips.Image) -> pyvips.Image:
    if image.hasalpha():
        image = image.flatten()
    return image.colourspace("srgb").cast("uchar")


def _pixels(image: pyvips.Image) -> Pixels:
    rgbx = _srgb(image).bandjoin(0)
    return np.frombuffer(rgbx.write_to_memory(), np.uint32).reshape(rgbx.height, rgbx.width)


class ColorTable(NamedTuple):
    """Colours of the values of label maps.

    Attributes
    ----------
    pixels
        (values,) uint32, colours as `Pixels` have them.
    is_class
        (values,) bool, whether a value stands for a class.
    """

    pixels: Pixels
    is_class: NDArray[np.bool_]


def color_table(table: Mapping[int, Sequence[int]], colors: Sequence[str]) -> ColorTable:
    """Colour of every value of a label map: that of its first class."""
    values = 1 << 8 if max(table, default=0) < 1 << 8 else 1 << 16
    rgbx = np.zeros((values, 4), np.uint8)
    is_class = np.zeros(values, bool)
    for value, classes in table.items():
        rgbx[value, :3] = [*bytes.fromhex(colors[classes[0]][1:])]
        is_class[value] = True
    return ColorTable(rgbx.view(np.uint32)[:, 0], is_class)


def thumbnail(original: Pixels | None, labels: Labels | None, colors: ColorTable) -> Pixels:
    """Mix the colours of classes half and half with an original; alone, they are on dark gray."""
    if labels is None:
        assert original is not None
        return original
    height, width = _size(labels, original)
    rows = np.arange(height) * labels.shape[0] // height
    columns = np.arange(width) * labels.shape[1] // width
    small = labels[rows].take(columns, axis=1)
    own = colors.pixels.take(small)
    is_class = colors.is_class.take(small)
    if original is None:
        return np.where(is_class, own, _UNPAINTED)
    # The mean of every byte, rounded down: what both have, and half of what one has.
    mixed = (original & own) + (((original ^ own) & _UPPER_BITS) >> np.uint32(1))
    return np.where(is_class, mixed, original)


def _size(labels: Labels, original: Pixels | None) -> tuple[int, int]:
    if original is not None:
        return original.shape
    height, width = labels.shape
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def encode(pixels: Pixels, most: int = _MOST_BYTES) -> bytes:
    """A JPEG of at most so many bytes, if a low quality makes it so small."""
    rgbx = np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4)
    content = b""
    for quality in _QUALITIES:
        content = simplejpeg.encode_jpeg(rgbx, quality, "RGBX", "420")
        if len(content) <= most:
            break
    return content


def preview(content: bytes, pixels: int) -> bytes:
    """A JPEG of an original that no browser shows, or that lies in an archive, in its full size.

    A JPEG that needs no more than a byte for each of its pixels is left as it is.
    """
    if content.startswith(_JPEG) and len(content) <= pixels:
        return content
    image = _srgb(_at_most(content, LARGE_SIDE))
    found: bytes = image.jpegsave_buffer(Q=_PREVIEW_QUALITY, keep="none")
    return found


def is_shown_by_browsers(head: bytes) -> bool:
    """Whether every browser shows a picture that begins so."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp or head.startswith((_JPEG, b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"))
