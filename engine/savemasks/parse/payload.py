"""`bitmap.data` → packed masks: base64 of zlib of a PNG, or base64 of a bare PNG.

One kernel call decodes the usual payloads of an annotation. The others are decoded one by one:

* large payloads are inflated a megabyte at a time;
* rare kinds (interlaced, 16-bit, with a transparent colour) are decoded by libvips;
* damaged ones are read again to report the error.

Decompression bombs are refused by their headers: nothing is inflated beyond the size of a mask that
fits the canvas.
"""

import binascii
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..errors import AnnotationError
from ..forks import by_libvips
from ..kernels.parse.bitmaps import LEAST_ALPHA, NOT_TAKEN, decode
from ..kernels.parse.scanlines import ALPHA, ANY, LOOKUP, Layout, unpack
from ..shapes import Masks

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# A compressed payload up to this size is inflated at once: deflate expands it 1032 times at most.
_SMALL = 4096
# Large ones: bytes of scanlines that are inflated at once, and of compressed data given at once.
_PIECE, _SLICE = 1 << 20, 1 << 16
# What a PNG may need beyond its pixels: chunk headers, palettes, a comment.
_CHUNK_ALLOWANCE = 1 << 16
# Bytes of packed masks that one kernel call may return; much more than most annotations have.
_ROOM = 1 << 18
MAX_MASK_PIXELS = 1 << 33
"""Most pixels that the bitmaps of one annotation may have together; packed, they take 1 GiB."""

_TOGETHER = 8  # times the caller's limit: packed, eight pixels take a byte

NO_MASKS = Masks(np.zeros(1, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.uint8))


_InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says Exception


class _BadPayloadError(ValueError):
    """An error in one payload. The caller adds the number of the object."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """A PNG up to its scanlines, or already reduced to 8-bit samples by libvips.

    `pieces` are whole rows, inflated when they are iterated; `layout` and `visible` are arguments
    of `kernels.parse.scanlines.unpack`.
    """

    pieces: Iterable[bytes]
    layout: Layout
    visible: NDArray[np.bool_] | None


class _Limits(NamedTuple):
    """Most pixels of a mask, and of all masks of an annotation together."""

    each: int
    together: int
    max_pixels: int | None

    @property
    def why(self) -> str:
        """How a message about a mask that is too large ends."""
        if self.each == self.max_pixels:
            return f"than the max_pixels of {self.max_pixels} that are allowed"
        return "than the canvas can hold"

    @property
    def too_many(self) -> str:
        """A message about masks that are too large together."""
        is_asked = self.max_pixels is not None and self.together == _TOGETHER * self.max_pixels
        whose = f" ({_TOGETHER} times the max_pixels of {self.max_pixels})" if is_asked else ""
        return f"the annotation's bitmaps have more than {self.together} pixels together{whose}"


class Payloads:
    """The `bitmap.data` of all bitmaps of one annotation.

    Attributes
    ----------
    text
        UTF-8 that they lie in.
    spans
        (b, 3) int64: first and last (excluded) byte of each, and the 8-bit level from which a pixel
        belongs to its mask.
    objects
        (b,), the object that each belongs to, for messages.
    """

    def __init__(self, text: bytes, spans: NDArray[np.int64], objects: Sequence[int]) -> None:
        self.text, self.spans, self.objects = text, spans, objects

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, i: int) -> str:
        first, last, _ = self.spans[i].tolist()
        return self.text[first:last].decode("utf-8", "surrogatepass")


class PayloadList:
    """Collects payloads one by one."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._spans = array("q")
        self._objects: list[int] = []

    def add(self, data: str, object_index: int, threshold: int = 1) -> None:
        """Append a payload."""
        first = len(self._text)
        self._text += data.encode("utf-8", "surrogatepass")
        self._spans.extend((first, len(self._text), threshold))
        self._objects.append(object_index)

    def payloads(self) -> Payloads:
        """All that were added."""
        spans = np.frombuffer(self._spans, np.int64).reshape(-1, 3)
        return Payloads(bytes(self._text), spans, self._objects)


def decode_masks(
    payloads: Payloads, canvas: tuple[int, int], max_pixels: int | None = None
) -> Masks:
    """Decode the payloads of one annotation.

    Parameters
    ----------
    payloads
        Of every bitmap.
    canvas
        Height and width in pixels; a mask may have no more than four times as many pixels.
    max_pixels
        Most pixels of a mask; all together may have eight times as many. None for no such limit.

    Raises
    ------
    AnnotationError
        Naming the object whose payload is damaged or promises too many pixels.
    """
    if not len(payloads):
        return NO_MASKS
    count = len(payloads)
    limit = _limits(canvas, max_pixels)
    text = np.frombuffer(payloads.text, np.uint8)
    start = np.zeros(count + 1, np.int64)
    shape = np.zeros((count, 2), np.int64)
    room = np.empty(_ROOM, np.uint8)
    packed: list[NDArray[np.uint8]] = []
    done, left = 0, limit.together
    while done < count:
        # Decodes up to the next payload that the kernel does not take, or until the room is full.
        stop, status, used = decode(
            text, payloads.spans, done, limit.each, left, start, shape, room
        )
        # This way of copying keeps Python's lock: getting it back would take longer than the copy.
        packed.append(np.frombuffer(bytearray(room[:used]), np.uint8))
        if stop == count:
            break
        left -= int(np.sum(shape[done:stop, 0] * shape[done:stop, 1]))
        done = stop
        if status == NOT_TAKEN:
            try:
                png = _unwrap(payloads[done], limit)
                picture = _read_png(png, limit, int(payloads.spans[done, 2]))
                left -= picture.layout.height * picture.layout.width
                packed.append(_pack(picture, left, limit))
            except _BadPayloadError as error:
                raise AnnotationError(
                    f"bitmap.data: {error}", object_index=int(payloads.objects[done])
                ) from error
            shape[done] = picture.layout[:2]
            start[done + 1] = start[done] + packed[-1].size
            done += 1
    bits = packed[0] if len(packed) == 1 else np.concatenate(packed)
    return Masks(start, shape, bits)


def _limits(canvas: tuple[int, int], max_pixels: int | None) -> _Limits:
    each, together = 4 * canvas[0] * canvas[1] + _CHUNK_ALLOWANCE, MAX_MASK_PIXELS
    if max_pixels is not None:
        each, together = min(each, max_pixels), min(together, _TOGETHER * max_pixels)
    return _Limits(each, together, max_pixels)


def _pack(picture: _Picture, left: int, limit: _Limits) -> NDArray[np.uint8]:
    """Pack the mask of a picture; `left` is the number of pixels still allowed after it."""
    if left < 0:
        raise _BadPayloadError(limit.too_many)
    layout, visible = picture.layout, picture.visible
    visible = np.zeros(256, np.bool_) if visible is None else visible
    packed = (layout.width + 7) // 8
    bits = np.empty(layout.height * packed, np.uint8)
    stride = _stride(layout)
    above, row, is_sound = b"", 0, True
    for piece in picture.pieces:
        # With the unfiltered row above in front, which the filters need. It is packed once more.
        lines = np.frombuffer(bytearray(above + piece), np.uint8)
        first = row - len(above) // stride
        row = first + lines.size // stride
        rows = layout._replace(height=row - first)
        is_sound = is_sound and unpack(lines, rows, visible, bits, first * packed)
        above = b"\0" + lines[lines.size - stride + 1 :].tobytes()
    if not is_sound:  # raised only now: a wrong number of rows is reported first
        raise _BadPayloadError("the PNG has a row filter that does not exist")
    return bits


def _stride(layout: Layout) -> int:
    """Bytes of a scanline, its filter included."""
    return 1 + (layout.width * layout.depth * layout.channels + 7) // 8


def _inflate(data: bytes, layout: Layout) -> Iterator[bytes]:
    """All scanlines and no more, about a megabyte at a time."""
    stride = _stride(layout)
    inflater = isal_zlib.decompressobj()
    # Given in slices, because the inflater copies unused input every time.
    slices = (data[at : at + _SLICE] for at in range(0, len(data), _SLICE))
    left = layout.height * stride
    try:
        while left:
            wanted = min(left, max(1, _PIECE // stride) * stride)
            piece = _inflate_some(inflater, slices, wanted)
            if len(piece) < wanted:
                break
            left -= wanted
            yield piece
        if left or _inflate_some(inflater, slices, 1) or not inflater.eof:
            raise _BadPayloadError("the PNG has more or fewer pixels than its header says")
    except _InflateError as error:
        raise _BadPayloadError(f"the PNG's pixels are damaged ({error})") from error


def _inflate_some(inflater: Any, slices: Iterator[bytes], size: int) -> bytes:
    """Return the next `size` bytes, or fewer at the end."""
    found = b""
    while len(found) < size and not inflater.eof:
        data = inflater.unconsumed_tail or next(slices, b"")
        more = inflater.decompress(data, size - len(found))
        if not (data or more):
            break
        found += more
    return found


def _unwrap(text: str, limit: _Limits) -> bytes:
    """The PNG inside a payload."""
    try:
        try:
            raw = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # perhaps it only has line breaks
            raw = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError as error:
        raise _BadPayloadError(f"not base64 ({error})") from error
    if raw[:8] == _SIGNATURE:
        return raw
    inflater = isal_zlib.decompressobj()
    try:
        if len(raw) <= _SMALL:
            png = inflater.decompress(raw)
        else:
            # The header first: its size limits how much is inflated afterwards.
            png = inflater.decompress(raw, 33)
            height, width, depth, colour, _ = _header(png, limit)
            size = height * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
            size += size // 100 + 2 * _CHUNK_ALLOWANCE
            png += inflater.decompress(inflater.unconsumed_tail, size)
            if not inflater.eof and len(png) >= size:
                raise _BadPayloadError(f"inflates to more than its {width} x {height} pixels need")
    except _InflateError as error:
        raise _BadPayloadError(f"neither zlib nor PNG ({error})") from error
    if not inflater.eof:
        raise _BadPayloadError("the zlib stream is cut off")
    return bytes(png)


def _header(png: bytes, limit: _Limits) -> tuple[int, int, int, int, int]:
    """Height, width, bits per sample, colour type and interlace method."""
    if len(png) < 33 or png[:8] != _SIGNATURE or png[12:16] != b"IHDR":
        raise _BadPayloadError("no PNG inside")
    width, height, depth, colour, deflate, filters, interlace = struct.unpack_from(
        ">IIBBBBB", png, 16
    )
    if deflate or filters:
        raise _BadPayloadError("a PNG with a method that does not exist")
    if depth not in _DEPTHS.get(colour, ()):
        raise _BadPayloadError(f"a PNG of colour type {colour} with {depth} bits does not exist")
    if not (width and height):
        raise _BadPayloadError("a PNG without pixels")
    if width * height > limit.each:
        raise _BadPayloadError(f"promises {width} x {height} pixels, more {limit.why}")
    return height, width, depth, colour, interlace


def _read_png(png: bytes, limit: _Limits, threshold: int) -> _Picture:
    """Check a PNG's chunks and inflate its scanlines."""
    height, width, depth, colour, interlace = _header(png, limit)
    chunks = _chunks(png)
    if colour == 3 and b"PLTE" not in chunks:
        raise _BadPayloadError("a palette PNG without its PLTE chunk")
    levels_are_alpha = colour == 0 and threshold >= LEAST_ALPHA
    if interlace or depth == 16 or (colour == 2 and b"tRNS" in chunks):
        return _read_by_libvips(png, threshold, levels_are_alpha=levels_are_alpha)
    channels = _CHANNELS[colour]
    visible = None
    mode = ALPHA if colour in (4, 6) else ANY
    if colour == 3:
        visible, mode = _visible_entries(chunks, threshold), LOOKUP
    elif colour == 0:
        hidden = None if levels_are_alpha else chunks.get(b"tRNS")
        visible, mode = _visible_grays(depth, threshold, hidden), LOOKUP
    layout = Layout(height, width, depth, channels, mode, threshold)
    return _Picture(_inflate(chunks.get(b"IDAT", b""), layout), layout, visible)


def _chunks(png: bytes) -> dict[bytes, bytes]:
    """Palette, transparency and pixels; all checksums are verified, IDATs joined."""
    found: dict[bytes, list[bytes]] = {}
    at = 8
    while at + 12 <= len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        end = at + 8 + length
        if end + 4 > len(png):
            break
        if isal_zlib.crc32(png[at + 4 : end]) != int.from_bytes(png[end : end + 4]):
            raise _BadPayloadError(f"wrong checksum of the PNG's {ascii(name)[2:-1]} chunk")
        if name in (b"PLTE", b"tRNS", b"IDAT"):
            found.setdefault(name, []).append(png[at + 8 : end])
        if name == b"IEND":
            return {key: b"".join(parts) for key, parts in found.items()}
        at = end + 4
    raise _BadPayloadError("the PNG is cut off")


def _visible_entries(chunks: dict[bytes, bytes], threshold: int) -> NDArray[np.bool_]:
    """Palette entries that belong to the mask: by their alpha, or without tRNS by their colour."""
    palette = np.frombuffer(chunks.get(b"PLTE", b"").ljust(768, b"\0")[:768], np.uint8)
    if b"tRNS" not in chunks:
        levels = np.max(palette.reshape(256, 3), axis=1)
    else:
        levels = np.frombuffer(chunks[b"tRNS"].ljust(256, b"\xff")[:256], np.uint8)
    return np.asarray(levels >= threshold, np.bool_)


def _visible_grays(depth: int, threshold: int, hidden: bytes | None) -> NDArray[np.bool_]:
    """Gray samples that belong to the mask: by their level, or all but the transparent one."""
    samples = np.arange(256)
    levels = samples * (255 // ((1 << depth) - 1))
    if hidden is not None:
        # The transparent sample falls below any threshold, all others reach it.
        levels = 255 * (samples != int.from_bytes(hidden[:2]))
    return np.asarray(levels >= threshold, np.bool_)


def _read_by_libvips(png: bytes, threshold: int, *, levels_are_alpha: bool) -> _Picture:
    """The slow way, for every kind of PNG: reduce it to 8-bit samples that are 0 or 1."""
    from .rare_payload import read_samples  # most annotations never need it

    samples = by_libvips(read_samples, png, levels_are_alpha=levels_are_alpha)
    if samples is None:
        raise _BadPayloadError("the PNG cannot be decoded")
    # 16-bit samples: bitmaps have every sample that is not zero; alpha masks reduce them to 8 bits.
    least = threshold << 8 if samples.dtype == np.uint16 and threshold > 1 else threshold
    height, width = samples.shape[:2]
    inside = (samples >= least).any(axis=2)
    lines = np.zeros((height, width + 1), np.uint8)
    lines[:, 1:] = inside
    return _Picture([lines.tobytes()], Layout(height, width, 8, 1, ANY, 1), None)
