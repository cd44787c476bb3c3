"""Files out: whole or not at all.

A file is written beside its place under a temporary name and then renamed, so that nobody ever
sees half of it. Everything stays below the store's root.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from isal import isal_zlib

from .errors import WriteError

Part = bytes | memoryview
"""A piece of a file."""

UNFINISHED = ".savemasks-", ".part"
"""How the names of files begin and end that are not yet in their places."""


class Written(NamedTuple):
    """What a file holds that was put: its size in bytes, and the CRC-32 of its contents."""

    size: int
    checksum: int


_counter = itertools.count()
_MOST_PARTS = 1024  # in one call


# Another file system, one without hard links, a file of somebody else, too many links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP}


class Store:
    """A folder that results are put into. May be shared by threads."""

    def __init__(self, root: Path, *, link: bool = False, durable: bool = False) -> None:
        """Put copies as hard links if `link`; wait for the disk to hold a file if `durable`."""
        self.root = root
        self._link = link
        self._durable = durable
        self._folders: set[str] = set()

    def write(self, name: str, parts: Iterable[Part]) -> Written:
        """Put a file; `name` is relative to the root, with "/". Raises `WriteError`."""
        return self._put(name, lambda unfinished: _write_new(unfinished, parts, self._durable))

    def copy(self, name: str, source: str, data: bytes) -> Written:
        """Put a copy of the file `source`, which holds `data`. Raises `WriteError`."""

        def put(unfinished: str) -> Written:
            try:
                os.link(os.path.realpath(source), unfinished)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return _write_new(unfinished, [data], self._durable)
            return Written(len(data), isal_zlib.crc32(data))

        return self._put(name, put) if self._link else self.write(name, [data])

    def _put(self, name: str, make: Callable[[str], Written]) -> Written:
        """Let `make` write a file under a temporary name, and move it to its place."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise WriteError("would lie outside the output folder", file=name)
        target = f"{self.root}/{name}"
        folder = target[: target.rindex("/")]
        # Short, so that a name at the file system's limit still works.
        begin, end = UNFINISHED
        unfinished = f"{folder}/{begin}{os.getpid()}-{next(_counter)}{end}"
        try:
            if folder not in self._folders:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                self._folders.add(folder)
            try:
                written = make(unfinished)
                os.replace(unfinished, target)  # noqa: PTH105
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise WriteError(f"cannot be written: {error.strerror}", file=target) from error
        return written

    def remove(self, name: str) -> None:
        """Remove a file that was put, if it is there."""
        (self.root / name).unlink(missing_ok=True)


def _write_new(path: str, parts: Iterable[Part], durable: bool) -> Written:
    """Write a file that does not exist yet, in one call of the system if it takes all at once."""
    size = checksum = 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        left = [memoryview(part) for part in parts]
        for part in left:
            size += len(part)
            checksum = isal_zlib.crc32(part, checksum)
        while left:
            written = os.writev(file, left[:_MOST_PARTS])
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    return Written(size, checksum)
