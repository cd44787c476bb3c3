"""Files: how they are opened, written, copied and forgotten, in few calls of the system."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Windows would translate line ends in what is not opened as binary. Python itself takes care that
# no other program inherits an open file.
BINARY = getattr(os, "O_BINARY", 0)
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

READ = os.O_RDONLY | BINARY
"""Flags for `os.open`: a file to read."""
READ_AT_ONCE = READ | getattr(os, "O_NONBLOCK", 0)
"""The same, without waiting for whoever might write to a pipe."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
"""Flags for `os.open`: a file to write that does not exist yet."""
READ_AND_WRITE = os.O_RDWR | BINARY
"""Flags for `os.open`: a file to read and to write."""
NEW_TO_READ = READ_AND_WRITE | os.O_CREAT | os.O_EXCL
"""The same for a file that does not exist yet."""

_MOST_PARTS = 1024  # that are written in one call
# Two file systems, or one that cannot, or a system that does not allow it.
_NO_RANGES = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


def write_all(file: int, parts: list[memoryview]) -> None:
    """Write all parts, in one call of the system if it takes them at once; empties the list."""
    writev = getattr(os, "writev", None)
    while parts:
        written = writev(file, parts[:_MOST_PARTS]) if writev else os.write(file, parts[0])
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if written:
            parts[0] = parts[0][written:]


def write_at(file: int, parts: list[bytes], at: int) -> None:
    """Write all parts from a place of a file on, in few calls of the system if it can."""
    pwritev = getattr(os, "pwritev", None)
    if pwritev is None:
        os.lseek(file, at, os.SEEK_SET)
        write_all(file, [memoryview(part) for part in parts])
        return
    left = [memoryview(part) for part in parts]
    while left:
        written = pwritev(file, left[:_MOST_PARTS], at)
        at += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


def copy_all(source: int, target: int, piece: int) -> None:
    """Copy what is left to read of a file, so many bytes in one call, inside the system if it can.

    Where the file system can, both share their blocks.
    """
    copy_file_range = getattr(os, "copy_file_range", None)
    # Elsewhere it takes other arguments, and writes to sockets only.
    sendfile = getattr(os, "sendfile", None) if sys.platform == "linux" else None
    try:
        while copy_file_range and copy_file_range(source, target, piece):
            pass
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    # From where the other way has ended, which is the end if it could do it.
    while sendfile and sendfile(target, source, None, piece):
        pass
    while not sendfile and (data := os.read(source, piece)):
        write_all(target, [memoryview(data)])


TEMPORARY = "savemasks-"
"""How the names of temporary files and folders begin."""


def read_at(file: int, size: int, at: int) -> bytes:
    """Read bytes of a file from a place on; where the system cannot, no two threads may at once."""
    if pread := getattr(os, "pread", None):
        data: bytes = pread(file, size, at)
        return data
    os.lseek(file, at, os.SEEK_SET)
    return os.read(file, size)


@contextmanager
def temporary_file() -> Iterator[tuple[int, str]]:
    """Make a file that is gone when the context is left: to write to, and its path to read it by.

    Where the system can, it has no name, so that nothing stays of it however the process ends. May
    raise `OSError`.
    """
    import tempfile  # rarely needed

    if os.path.isdir("/proc/self/fd"):
        with tempfile.TemporaryFile(prefix=TEMPORARY, buffering=0) as nameless:
            yield nameless.fileno(), f"/proc/self/fd/{nameless.fileno()}"
        return
    file, path = tempfile.mkstemp(prefix=TEMPORARY)
    try:
        yield file, path
    finally:
        os.close(file)
        os.unlink(path)


def copy_range(source: int, target: int, offset: int, length: int, piece: int) -> None:
    """Append bytes of a file to another one, inside the system if it can; may raise `OSError`.

    Raises `EOFError` if the file is shorter.
    """
    copy_file_range = getattr(os, "copy_file_range", None)
    end = offset + length
    try:
        while copy_file_range and offset < end:
            copied = copy_file_range(source, target, min(piece, end - offset), offset)
            if not copied:
                raise EOFError
            offset += copied
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    os.lseek(source, offset, os.SEEK_SET)
    while offset < end:
        data = os.read(source, min(piece, end - offset))
        if not data:
            raise EOFError
        write_all(target, [memoryview(data)])
        offset += len(data)


def let_go(file: int, size: int) -> None:
    """Tell the system that it need not keep the first bytes of a file in memory."""
    if advise := getattr(os, "posix_fadvise", None):
        advise(file, 0, size, os.POSIX_FADV_DONTNEED)


def sync_folder(path: str) -> None:
    """Wait until the disk holds the names in a folder; Windows cannot be asked for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    file = os.open(path, READ | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class Folder:
    """A folder whose files are looked at, which takes less time than by their paths."""

    def __init__(self, path: Path) -> None:
        """Open it; nothing is found in a folder that cannot be opened."""
        self._handle: int | None = None
        self._path = path
        if hasattr(os, "O_PATH"):
            try:
                self._handle = os.open(path, os.O_PATH)
            except OSError:
                self._handle = -1

    def stat(self, name: str) -> os.stat_result:
        """As `os.stat` of a file in it; may raise `OSError`."""
        if self._handle is None:
            return os.stat(f"{self._path}{os.sep}{name}")
        return os.stat(name, dir_fd=self._handle)

    def close(self) -> None:
        """Look at no more."""
        if self._handle is not None and self._handle >= 0:
            os.close(self._handle)
