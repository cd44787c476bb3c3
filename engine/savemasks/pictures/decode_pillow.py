"""Pictures that libvips does not decode: BMP, by Pillow, and HEIC, by pillow-heif. As a whole."""

import importlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .formats import HEAD, is_heic

if TYPE_CHECKING:
    from PIL.BmpImagePlugin import BmpImageFile

_FAILURES = (OSError, ValueError, SyntaxError, RuntimeError, EOFError)
# Samples of HEIC as they are compressed, as they are decoded, and as RGB.
_HEIC_BYTES = 16


class Bmp:
    """A BMP whose header has been read: libvips is built without it."""

    decoding_bytes = 0  # per pixel; it cannot have more than 4 GB

    def __init__(self, data: bytes) -> None:
        self._data = data
        with self._open() as image:
            self.size = image.height, image.width

    def pixels(self) -> NDArray[np.uint8]:
        """Decode to (height, width, 3) uint8 RGB; raises `ImageError`."""
        image = self._open()
        try:
            with image:
                return np.asarray(image.convert("RGB"))
        except _FAILURES as error:
            raise _undecodable(error) from error

    def _open(self) -> "BmpImageFile":
        """Open it by its class: Image.open would warn of large ones."""
        from PIL import BmpImagePlugin

        try:
            return BmpImagePlugin.BmpImageFile(io.BytesIO(self._data))
        except _FAILURES as error:
            raise _undecodable(error) from error


class Heic:
    """A HEIC whose header has been read.

    Its decoder turns it as its own header says (irot, imir). EXIF data say the same once more, and
    are ignored, as viewers do.
    """

    decoding_bytes = _HEIC_BYTES

    def __init__(self, data: bytes, pillow_heif: Any) -> None:
        try:
            file = pillow_heif.HeifFile(data)
            self._image = file[file.primary_index]
        except _FAILURES as error:
            raise _undecodable(error) from error
        width, height = self._image.size
        self.size = height, width

    def pixels(self) -> NDArray[np.uint8]:
        """Decode to (height, width, 3) uint8 RGB; raises `ImageError`."""
        try:
            samples = np.asarray(self._image)
        except _FAILURES as error:
            raise _undecodable(error) from error
        if samples.shape[:2] != self.size:
            raise ImageError("cannot be decoded: has another size than its header says")
        if samples.ndim == 2:
            return np.repeat(samples[:, :, None], 3, axis=2)
        # A copy: in some versions the samples are memory of the image, which ends with it.
        return np.array(samples[:, :, :3], order="C")


def is_for_pillow(head: bytes) -> bool:
    """Whether a file that begins so is one for this module."""
    return head.startswith(b"BM") or (is_heic(head) and _pillow_heif() is not None)


def open_whole(data: bytes) -> Bmp | Heic | None:
    """Read the header of a picture if it is one for this module."""
    if data.startswith(b"BM"):
        return Bmp(data)
    pillow_heif = _pillow_heif() if is_heic(data[:HEAD]) else None
    return Heic(data, pillow_heif) if pillow_heif else None


def _pillow_heif() -> Any:
    """The library for HEIC, or None: it is optional."""
    try:
        return importlib.import_module("pillow_heif")
    except ImportError:
        return None


def _undecodable(error: Exception) -> ImageError:
    return ImageError(f"cannot be decoded: {error}")
