"""What each station cannot avoid, as work to be timed alone on the data of one item.

A bound is the least that the usual libraries, or memory itself, take for what the station has to
do, with everything in the caches that has room there. It is a yardstick and no proof: nothing here
says that the rest could be had for nothing, and code that does better than the library on this
data is faster than its bound.

======  =======================================================================================
read    open, read into memory that is there already, close: the same files, as often.
parse   `orjson.loads` of the annotation, and ISA-L inflating the payloads of its bitmaps and the
        pixels within them. Neither base64 nor what becomes of the objects (no flat arrays), nor
        opening the image, which the station does to compare its size.
decode  JPEG: libjpeg-turbo alone into memory that is there already (by simplejpeg; without it by
        OpenCV, which also allocates). PNG: ISA-L inflating the pixels, without undoing filters.
        Others: libvips.
paint   Setting each label map to zero once, and as many bytes as are painted in it, in one piece.
        Neither outlines nor what lies hidden under other objects.
color   Copying the label map once for the machine mask, and both halves of the human page, as
        fast as memory allows. Neither looking up nor mixing.
encode  Machine mask: comparing each row of the label map with the one above, no more. Human page:
        ISA-L's fastest level (0) on the left half alone, which was filtered before ("average").
        Not the least that is possible: a coder that looks for no repeats beats it on photographs.
write   The same bytes: open, write, close, rename, in a folder that is there.
======  =======================================================================================
"""

import base64
import itertools
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import orjson
import pyvips
from isal import isal_zlib
from numpy.typing import NDArray

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

Work = Callable[[], object]
Pixels = NDArray[np.uint8]
Labels = NDArray[np.unsignedinteger[Any]]

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 20  # larger ones make some systems look for memory in one piece, which takes long
_counter = itertools.count()


@dataclass(frozen=True)
class Material:
    """What an item consists of on its way through the line.

    Attributes
    ----------
    paths
        The files that are read.
    annotation, image
        Contents of both files, whether the image is read or not.
    machine, human
        Label maps, None for a mask that is not made; one array if they are the same.
    pixels
        (height, width, 3) uint8, the original; None if no human page is made.
    outputs
        Contents of the files that were written.
    folder
        Where to write them again.
    """

    paths: list[str]
    annotation: bytes
    image: bytes
    machine: Labels | None
    human: Labels | None
    pixels: Pixels | None
    outputs: list[bytes]
    folder: Path


def seconds(work: Work) -> float:
    """The shortest of three times in a row."""
    times = []
    for _ in range(3):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def of_item(made: Material) -> dict[str, Work]:
    """Work by station, prepared so that running it does nothing else."""
    works = {
        "read": _read(made.paths),
        "parse": _parse(made.annotation),
        "paint": _paint(made),
        "count": _count(made),
        "color": _color(made),
        "encode": _encode(made),
        "write": _write(made.outputs, made.folder),
    }
    if made.pixels is not None:
        works["decode"] = _decode(made.image)
    return works


def _read(paths: list[str]) -> Work:
    buffer = bytearray(max(os.stat(path).st_size for path in paths) + 1)

    def work() -> None:
        for path in paths:
            file = os.open(path, os.O_RDONLY)
            os.readv(file, [buffer])
            os.close(file)

    return work


def _parse(annotation: bytes) -> Work:
    streams = list(payload_streams(annotation))

    def work() -> None:
        orjson.loads(annotation)
        for stream, size in streams:
            isal_zlib.decompress(stream, bufsize=size)

    return work


def payload_streams(annotation: bytes) -> Iterable[tuple[bytes, int]]:
    """All zlib streams within the bitmaps of an annotation, and how long they are inflated."""
    for item in orjson.loads(annotation)["objects"]:
        for key in ("bitmap", "mask"):
            if isinstance(item.get(key), dict) and "data" in item[key]:
                png = base64.b64decode(item[key]["data"])
                if not png.startswith(_PNG):
                    yield png, len(zlib.decompress(png))
                    png = zlib.decompress(png)
                stream = png_stream(png)
                yield stream, len(zlib.decompress(stream))


def png_stream(png: bytes) -> bytes:
    """The compressed pixels of a PNG."""
    at, parts = len(_PNG), []
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            parts.append(png[at + 8 : at + 8 + size])
        at += size + 12
    return b"".join(parts)


def _decode(image: bytes) -> Work:
    if image.startswith(_PNG):
        stream = png_stream(image)
        size = len(zlib.decompress(stream))
        return lambda: isal_zlib.decompress(stream, bufsize=size)
    if not image.startswith(_JPEG):
        return lambda: pyvips.Image.new_from_buffer(image, "").write_to_memory()
    if simplejpeg is None:
        data = np.frombuffer(image, np.uint8)
        return lambda: cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    height, width, space, _ = simplejpeg.decode_jpeg_header(image)
    space, channels = ("GRAY", 1) if space == "Gray" else ("RGB", 3)
    out = _touched((height, width, channels))
    return lambda: simplejpeg.decode_jpeg(image, space, buffer=out)


def _label_maps(made: Material) -> list[Labels]:
    """Those that are painted: one if both masks share it."""
    maps = [labels for labels in (made.machine, made.human) if labels is not None]
    return maps[:1] if made.machine is made.human else maps


def _count(made: Material) -> Work:
    """The classes of one map are counted for the legend: it is read once."""
    labels = _label_maps(made)[0]
    return lambda: int(np.count_nonzero(labels))


def _paint(made: Material) -> Work:
    outs = [_touched(labels.shape, labels.dtype).reshape(-1) for labels in _label_maps(made)]
    painted = [int(np.count_nonzero(labels)) for labels in _label_maps(made)]

    def work() -> None:
        for out, count in zip(outs, painted, strict=True):
            out.fill(0)
            out[:count].fill(1)

    return work


def _color(made: Material) -> Work:
    copies: list[tuple[NDArray[Any], NDArray[Any]]] = []
    if made.machine is not None:
        copies.append((_touched(made.machine.shape, made.machine.dtype), made.machine))
    if made.pixels is not None:
        height, width, _ = made.pixels.shape
        page = _touched((height, 2 * width + 1, 3))
        copies += [(page[:, :width], made.pixels), (page[:, width + 1 :], made.pixels)]

    def work() -> None:
        for target, source in copies:
            np.copyto(target, source)

    return work


def _encode(made: Material) -> Work:
    works: list[Work] = []
    if made.machine is not None:
        labels = made.machine
        same = _touched((labels.shape[0] - 1, labels.shape[1]), np.dtype(np.bool_))
        works.append(lambda: np.equal(labels[1:], labels[:-1], out=same))
    if made.pixels is not None:
        filtered = average_filter(made.pixels)
        works.append(lambda: isal_zlib.compress(filtered, 0))

    def work() -> None:
        for one in works:
            one()

    return work


def average_filter(pixels: Pixels) -> Pixels:
    """PNG's filter 3: each byte minus the mean of those to the left and above."""
    whole = np.pad(pixels.astype(np.int16), ((1, 0), (1, 0), (0, 0)))
    mean = (whole[1:, :-1] + whole[:-1, 1:]) >> 1
    return np.ascontiguousarray((whole[1:, 1:] - mean).astype(np.uint8))


def _write(contents: list[bytes], folder: Path) -> Work:
    unfinished = str(folder / "unfinished")

    def work() -> None:
        for content in contents:
            file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            for at in range(0, len(content), _PIECE):
                os.write(file, memoryview(content)[at : at + _PIECE])
            os.close(file)
            # A new name: some file systems flush a file that takes the place of another.
            os.rename(unfinished, f"{folder}/{next(_counter)}")

    return work


def _touched(shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """Memory that the system has already given: writing to it the first time takes longer."""
    return np.full(shape, 1, dtype)
