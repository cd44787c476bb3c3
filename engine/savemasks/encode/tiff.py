"""Pictures that libvips writes from the strips of a PNG, as tiled TIFF for viewers of large ones.

libvips reads pixels from a stream only in a picture format. So it is given a PNG that is not
compressed, and writes while it reads: a TIFF is never whole in memory.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pyvips

from .png import Layout, Part

Failure = Callable[[object], Exception]
"""From a reason to the error that is raised."""
Save = Callable[[pyvips.Image, bytes], None]
"""Saves a picture under a path."""

_TILE = 512
_WAITING = 2  # strips between the two sides
_MOST_CLASSIC_BYTES = 3 << 30  # of pixels, from which a classic TIFF might overflow at 4 GB
_POLL = 0.1
_BYTES_OF_NUMBER = 4  # channels of a PNG that are one of 32 bits
_SYSTEM = "system error: "
_FIRST_USE = threading.Lock()
_OPERATIONS = ("pngload_source", "tiffsave")
MAX_SIDE = 10_000_000
"""The longest side that libvips is sure to take."""


class _Pipe:
    """Bytes from one thread to another that runs libvips."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._left = memoryview(b"")
        self._ended = False
        self.closed = threading.Event()

    def put(self, data: bytes) -> None:
        """Hand on some bytes, none at the end; they are dropped if nobody reads any more."""
        while not self.closed.is_set():
            try:
                self._queue.put(data, timeout=_POLL)
            except queue.Full:
                continue
            return

    def read(self, most: int) -> bytes:
        """Up to so many bytes; none at the end."""
        while not self._left and not self._ended:
            self._left = memoryview(self._queue.get())
            self._ended = not self._left
        found, self._left = self._left[:most], self._left[most:]
        return bytes(found)


class PictureWriter:
    """Takes a PNG in pieces, while a thread makes another picture of it."""

    def __init__(self, path: str, failure: Failure, save: Save) -> None:
        self._path, self._failure, self._save = path, failure, save
        self._pipe = _Pipe()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="savemasks-tiff", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            source = _source_of(self._pipe)
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
            self._save(image, os.fsencode(self._path))
        except pyvips.Error as error:
            # Without the error itself, whose traceback would keep what it names alive.
            self._error = self._failure(_cause(error))
        except Exception as error:  # for the thread that writes
            self._error = error
        finally:
            self._pipe.closed.set()

    def write(self, parts: Iterable[Part]) -> None:
        """Append to the PNG; raises what `failure` makes once libvips has failed."""
        data = b"".join(parts)
        if data:
            self._pipe.put(data)
        self._check()

    def end(self) -> None:
        """Wait until the picture is whole, or raise what `failure` makes."""
        self.stop()
        self._check()

    def stop(self) -> None:
        """Let the thread end, whether the PNG is whole or not."""
        self._pipe.put(b"")
        self._thread.join()

    def _check(self) -> None:
        if self._error:
            raise self._error


def _source_of(pipe: _Pipe) -> pyvips.SourceCustom:
    """What libvips reads a pipe through; to be kept as long as any picture of it.

    pyvips keeps tables for a class of operations, and fills them without a lock when one is first
    used: a thread may then lose what another has just put there. So the first use of those that
    follow is one thread's alone. The lock is not held while anything is read: that may take as long
    as the other side likes.
    """
    with _FIRST_USE:
        for name in _OPERATIONS:
            pyvips.Introspect.get(name)
        source = pyvips.SourceCustom()
        source.on_read(pipe.read)
    return source


def _tile_side(side: int) -> int:
    """A multiple of 16, as the format wants; readers refuse tiles much larger than the picture."""
    return min(_TILE, -(-side // 16) * 16)


def _cause(error: pyvips.Error) -> str:
    """What the system said, or else the first thing that libvips did."""
    lines = error.detail.strip().splitlines() or [error.message]
    said = [line.removeprefix(_SYSTEM) for line in lines if line.startswith(_SYSTEM)]
    return str([*said, *lines][0])


@contextmanager
def picture_from_png(path: str, failure: Failure, save: Save) -> Iterator[PictureWriter]:
    """Write the PNG that is put in as another picture, which is whole when the context is left.

    Parameters
    ----------
    path
        Where it is to be; a file of that name is written over.
    failure
        Makes the error to raise of what libvips or the system said.
    save
        Saves it; called in another thread.
    """
    writer = PictureWriter(path, failure, save)
    try:
        yield writer
    except BaseException:
        writer.stop()
        raise
    writer.end()


@contextmanager
def tiff_from_png(
    path: str, layout: Layout, failure: Failure, *, pyramid: bool, smooth: bool
) -> Iterator[PictureWriter]:
    """Write the PNG that is put in as a TIFF, which is whole when the context is left.

    Parameters
    ----------
    path
        Where the TIFF is to be; a file of that name is written over.
    layout
        Of the picture.
    failure
        Makes the error to raise of what libvips or the system said.
    pyramid
        Whether smaller copies of it follow.
    smooth
        Whether their pixels are means, or each is one of four.
    """
    options = {
        "tile": True,
        "tile_width": _tile_side(layout.width),
        "tile_height": _tile_side(layout.height),
        "compression": "deflate",
        "predictor": "horizontal",
        "bigtiff": layout.height * layout.row_bytes > _MOST_CLASSIC_BYTES,
        "pyramid": pyramid,
        # Labels have no means.
        "region_shrink": "mean" if smooth else "nearest",
    }

    def save(image: pyvips.Image, to: bytes) -> None:
        if image.bands == _BYTES_OF_NUMBER:
            image = image.copy(bands=1, format="uint", interpretation="multiband")
        image.tiffsave(to, **options)

    with picture_from_png(path, failure, save) as writer:
        yield writer
