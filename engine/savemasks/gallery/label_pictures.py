"""Label maps as a browser reads them: PNGs whose grays say which class a pixel has.

They come from the masks that were made, so a gallery shows what is in the files. Only a result
that has neither machine masks nor masks in colours has its labels painted anew, from its copies of
the annotations.
"""

import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..encode.general import encode_png
from ..errors import ItemError
from ..layers.palette import Palette
from ..line.drawings import HUMAN, OWN, drawing
from ..line.plan import Plan
from ..pictures import decode_png
from ..pictures.headers import UnusualError
from ..scratch import own_scratch
from .contents import Contents, ItemFiles

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _INDEXED = 0, 3
_MOST_8_BIT = 255

Labels = NDArray[np.unsignedinteger[Any]]


LARGE_SIDE = 8000
"""A picture with a longer side than this is shown in tiles."""


def is_large(height: int, width: int) -> bool:
    """Whether a picture is shown in tiles."""
    return max(height, width) > LARGE_SIDE


class LabelPicture(NamedTuple):
    """The label map of an item: its values, and the PNG that has them.

    The PNG is gray, or RGB where values need more than 8 bits: red is the lower part, green the
    upper one.
    """

    values: Labels
    png: bytes


class LabelSource(Protocol):
    """Where label maps come from.

    Attributes
    ----------
    table
        Numbers of the classes that a value stands for. Values that are missing are no class.
    """

    table: Mapping[int, list[int]]

    def read(self, files: ItemFiles) -> LabelPicture | pyvips.Image | None:
        """Label map of an item, None without one; raises `OSError`, `ItemError`, `pyvips.Error`.

        A large one is a picture of one band, which is decoded when it is read.
        """


def label_source(contents: Contents) -> LabelSource:
    """Where the label maps of a result come from."""
    palettes, settings = contents.palettes, contents.settings
    if settings is not None and palettes.machine is not None:
        return _Masks(contents, "masks_machine", palettes.machine)
    if settings is not None and palettes.semantic is not None:
        return _Masks(contents, "masks_semantic_rgb", palettes.semantic)
    return _Annotations(contents)


class _Masks:
    """Masks whose grays, or colours, tell the classes apart."""

    def __init__(self, contents: Contents, kind: str, palette: Palette) -> None:
        self._kind = kind
        keys = _keys(palette.colors if not palette.is_gray else palette.colors[:, :1])
        background, *own = keys.tolist()
        numbers = contents.numbers(palette.titles)
        classes: dict[int, list[int]] = {}
        for key, number in zip(own, numbers, strict=True):
            if key != background:
                classes.setdefault(key, []).append(number)
        self._is_direct = palette.is_gray and int(palette.colors.max()) <= _MOST_8_BIT
        self._known = np.array(sorted(classes), np.int64)
        self.table: Mapping[int, list[int]] = classes
        if not self._is_direct:
            self.table = {label: classes[key] for label, key in enumerate(sorted(classes), start=1)}

    def read(self, files: ItemFiles) -> LabelPicture | pyvips.Image | None:
        name = files.find(self._kind)
        if name is None:
            return None
        content = files.read(name)
        png = _as_gray(content) if self._is_direct else None
        if png:
            with suppress(UnusualError):
                header = decode_png.read_header(png)
                if not is_large(header.height, header.width):
                    return LabelPicture(decode_png.decode_gray(png, header), png)
        image = _open(png or content)
        if is_large(image.height, image.width):
            return self._large(image)
        values = self._values(_pixels(image))
        return LabelPicture(values, png) if png else _encoded(values)

    def _values(self, pixels: NDArray[Any]) -> Labels:
        """Values of pixels (height, width, channels)."""
        if self._is_direct:
            return pixels[..., 0]
        if not self._known.size:
            return np.zeros(pixels.shape[:2], np.uint8)
        keys = _keys(pixels)
        at = np.searchsorted(self._known, keys)
        at[at == self._known.size] = 0
        labels = np.where(self._known[at] == keys, at + 1, 0)
        return labels.astype(np.uint8 if self._known.size <= _MOST_8_BIT else np.uint16)

    def _large(self, image: pyvips.Image) -> pyvips.Image:
        """Values of a picture that is not decoded yet."""
        if self._is_direct:
            return image[0]
        labels = image.new_from_image(0)[0].cast("ushort" if len(self.table) > 255 else "uchar")
        for label, key in enumerate(self._known.tolist(), start=1):
            color = [key] if image.bands == 1 else [key >> 16, key >> 8 & 255, key & 255]
            labels = (image == color).bandand().ifthenelse(label, labels)
        return labels


class _Annotations:
    """Label maps that are painted anew."""

    def __init__(self, contents: Contents) -> None:
        palettes = contents.palettes
        titles = palettes.human.titles if palettes.human else palettes.own or ()
        numbers = contents.numbers(titles)
        self.table: Mapping[int, list[int]] = {label: [n] for label, n in enumerate(numbers, 1)}
        self._motif = HUMAN if palettes.human else OWN
        self._plan = Plan.of(contents.layer, contents.templates) if titles else None

    def read(self, files: ItemFiles) -> LabelPicture | pyvips.Image | None:
        values = self._painted(files)
        if values is None:
            return None
        return pyvips.Image.new_from_array(values) if is_large(*values.shape) else _encoded(values)

    def _painted(self, files: ItemFiles) -> Labels | None:
        name = files.find("ann")
        if name is None or self._plan is None:
            return None
        shapes = self._plan.parse(files.read(name))
        scratch = own_scratch()
        values: Labels = drawing(self._plan, self._motif, shapes).paint(scratch).copy()
        scratch.forget_large()
        return values


UNREADABLE = (OSError, ItemError, pyvips.Error)
"""What reading a label map may raise."""


def _encoded(values: Labels) -> LabelPicture:
    pixels: NDArray[Any] = np.ascontiguousarray(values)
    if values.dtype != np.uint8:
        pixels = np.zeros((*values.shape, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = values & 255, values >> 8
    return LabelPicture(values, b"".join(map(bytes, encode_png(pixels))))


def _pixels(image: pyvips.Image) -> NDArray[Any]:
    """Pixels (height, width, channels) of a mask."""
    shape = image.height, image.width, image.bands
    dtype = np.uint16 if image.format == "ushort" else np.uint8
    return np.frombuffer(image.write_to_memory(), dtype).reshape(shape)


def _open(content: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(content, "", access="sequential", fail_on="error")


def _keys(colors: NDArray[Any]) -> NDArray[np.int64]:
    """Colours (..., channels) as one number each."""
    wide = colors.astype(np.int64)
    return wide[..., 0] if wide.shape[-1] == 1 else wide @ np.array([1 << 16, 1 << 8, 1])


def _as_gray(png: bytes) -> bytes | None:
    """A PNG of 8 bits as one whose grays are its values: if it is indexed, without its palette.

    None if it is another kind of picture.
    """
    if png[:8] != _SIGNATURE or png[24:25] != b"\x08" or png[25] not in {_GRAY, _INDEXED}:
        return None
    if png[25] == _GRAY:
        return png
    head = b"IHDR" + png[16:25] + bytes([_GRAY]) + png[26:29]
    parts = [_SIGNATURE, struct.pack(">I", 13), head, struct.pack(">I", zlib.crc32(head))]
    at = 33
    while at + 8 <= len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4])
        if png[at + 4 : at + 8] not in {b"PLTE", b"tRNS"}:
            parts.append(png[at:end])
        at = end
    return b"".join(parts)
