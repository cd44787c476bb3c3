"""Pictures in, through libvips: any format it reads → 8-bit RGB, as the viewer shows it."""

import io

import numpy as np
import pyvips
from numpy.typing import NDArray

from .errors import ImageError

_RGB = 3


def read_image(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode a picture that must have the size its annotation says.

    EXIF orientation is applied, alpha is dropped, gray is repeated in three channels, 16-bit
    samples are shifted right by 8.

    Parameters
    ----------
    data
        The file's bytes.
    size
        Height and width that are expected; checked before pixels are decoded.

    Returns
    -------
    (height, width, 3) uint8 RGB, read-only.

    Raises
    ------
    ImageError
        If it is no picture, is cut off, or has another size.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error")
    except pyvips.Error as error:
        if "not in a known format" in error.detail:
            return _read_by_pillow(data, size)
        raise ImageError(f"cannot be decoded: {_cause(error)}") from error
    try:
        turned = image.get_typeof("orientation") and image.get("orientation") in (5, 6, 7, 8)
        _check_size((image.width, image.height) if turned else (image.height, image.width), size)
        pixels = _to_rgb(image).write_to_memory()
    except pyvips.Error as error:
        raise ImageError(f"cannot be decoded: {_cause(error)}") from error
    return np.frombuffer(pixels, np.uint8).reshape(*size, 3)


def _check_size(found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != size:
        raise ImageError(
            f"is {found[1]} x {found[0]} pixels, but its annotation says {size[1]} x {size[0]}"
        )


def _to_rgb(image: pyvips.Image) -> pyvips.Image:
    """Three bands of 8-bit samples, upright."""
    if image.get_typeof("orientation") and image.get("orientation") != 1:
        # Turning needs the rows in another order than they are stored.
        image = image.copy_memory().autorot()
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
    if image.interpretation not in ("srgb", "rgb", "rgb16", "b-w", "grey16", "multiband"):
        image = image.colourspace("srgb")
    if image.format != "uchar":
        raise ImageError(f"has samples of type {image.format}; 8 and 16 bits are supported")
    if image.bands < _RGB:
        image = image[0]
        return image.bandjoin([image, image])
    return image[0:_RGB] if image.bands > _RGB else image


def _read_by_pillow(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """BMP and PNM, which libvips is built without or does not read from memory."""
    from PIL import BmpImagePlugin, PpmImagePlugin  # noqa: PLC0415  (rarely needed)

    # The format's own class: Image.open would warn of large pictures before their size is checked.
    readers = {b"BM": BmpImagePlugin.BmpImageFile, b"P": PpmImagePlugin.PpmImageFile}
    reader = next((readers[start] for start in readers if data.startswith(start)), None)
    if reader is None:
        raise ImageError("cannot be decoded: not a picture of a known format")
    try:
        with reader(io.BytesIO(data)) as image:
            _check_size((image.height, image.width), size)
            return np.asarray(image.convert("RGB"))
    except ImageError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"cannot be decoded: {error}") from error


def _cause(error: pyvips.Error) -> str:
    """What libvips says of the cause, without the trace of its operations."""
    lines = [line for line in error.detail.splitlines() if line.strip()]
    return lines[0].strip() if lines else str(error.message)
