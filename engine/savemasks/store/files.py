"""Files out: whole or not at all.

A file is written beside its place under a temporary name and then renamed, so that nobody ever
sees half of it. Everything stays below the store's root.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from ..errors import WriteError
from ..system.file_calls import NEW, READ, copy_all, let_go, write_all

Part = bytes | memoryview
"""A piece of a file."""

UNFINISHED = ".savemasks-", ".part"
"""How the names of files begin and end that are not yet in their places."""


class Written(NamedTuple):
    """What a file holds that was put: its size in bytes, and the CRC-32 of its contents."""

    size: int
    checksum: int


_counter = itertools.count()
_PIECE = 1 << 24  # bytes that are copied in one call
_MOST_FOLDERS = 4096  # that are known to exist


# Another file system, one without hard links, a file of somebody else, too many links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP}


class UnfinishedFile:
    """A file under its temporary name, while it grows.

    Attributes
    ----------
    path
        Where it is now; instead of by `write`, it may be written by others, by this path.
    written
        What `write` has put, and in the end what the file holds.
    """

    def __init__(self, path: str, target: str, shown: str | None = None) -> None:
        """Begin a file that does not exist yet; may raise `OSError`.

        `shown` is what errors name, if that is not the target.
        """
        self.path = path
        self.written = Written(0, 0)
        self._target, self._shown = target, shown or target
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115
        self._let_go = 0  # bytes that the system was told to

    def write(self, parts: Iterable[Part]) -> None:
        """Append; raises `WriteError`."""
        size, checksum = self.written
        views = [memoryview(part) for part in parts]
        for part in views:
            size += len(part)
            checksum = isal_zlib.crc32(part, checksum)
        file = self._file.fileno()
        try:
            write_all(file, views)
            if size - self._let_go >= _PIECE:
                # To the disk with it, and out of memory what is there already. Large files would
                # push out everything else, and fresh memory for them costs more than the disk.
                let_go(file, size)
                self._let_go = size
        except OSError as error:
            raise self.failure(error.strerror) from error
        self.written = Written(size, checksum)

    def finish(self, *, durable: bool) -> None:
        """Move it to its place; may raise `OSError`."""
        if not self.written.size:  # but by others
            self.written = _finish(self.path, durable)
        elif durable:
            os.fsync(self._file)
        self._file.close()  # which is when some file systems tell that it failed
        os.replace(self.path, self._target)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def failure(self, reason: object) -> WriteError:
        """The error that says why it could not be written."""
        return _failure(self._shown, reason)


class Store:
    """A folder that results are put into. May be shared by threads."""

    def __init__(
        self, root: Path, *, link: bool = False, durable: bool = False, mark: str = ""
    ) -> None:
        """Put copies as hard links if `link`; wait for the disk to hold a file if `durable`.

        `mark` is in the names of unfinished files. Other machines, on which a process may have the
        same number, use another one.
        """
        self.root, self._mark = root, mark
        self._link = link
        self._durable = durable
        self._folders: set[str] = set()

    def write(self, name: str, parts: Iterable[Part]) -> Written:
        """Put a file; `name` is relative to the root, with "/". Raises `WriteError`."""
        return self._put(name, lambda unfinished: _write_new(unfinished, parts, self._durable))

    @contextmanager
    def growing(self, name: str) -> Iterator[UnfinishedFile]:
        """Put a file that is written piece by piece: it gets its name when the context is left.

        Nothing is left of it if that happens by an exception. Raises `WriteError`.
        """
        target, unfinished = self._places(name)
        try:
            self._make_folder(target)
            file = UnfinishedFile(unfinished, target)
        except OSError as error:
            raise _failure(target, error.strerror) from error
        with closing(file):
            try:
                yield file
                try:
                    file.finish(durable=self._durable)
                except OSError as error:
                    raise file.failure(error.strerror) from error
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise

    def copy(self, name: str, source: str, data: bytes | None = None) -> Written:
        """Put a copy of the file `source`, which holds `data` if that is known already.

        Raises `WriteError`.
        """
        if data is not None and not self._link:
            return self.write(name, [data])

        def put(unfinished: str) -> Written:
            if not (self._link and _link(source, unfinished)):
                if data is not None:
                    return _write_new(unfinished, [data], self._durable)
                _copy(source, unfinished)
            elif data is not None:
                return Written(len(data), isal_zlib.crc32(data))
            return _finish(unfinished, self._durable)

        return self._put(name, put)

    def _put(self, name: str, make: Callable[[str], Written]) -> Written:
        """Let `make` write a file under a temporary name, and move it to its place."""
        target, unfinished = self._places(name)
        try:
            self._make_folder(target)
            try:
                written = make(unfinished)
                os.replace(unfinished, target)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _failure(target, error.strerror) from error
        return written

    def _places(self, name: str) -> tuple[str, str]:
        """Where a file will be, and a temporary name beside it."""
        parts = {*name.split("/")}
        if name.startswith("/") or ".." in parts or parts <= {"", "."}:
            raise WriteError("would lie outside the output folder", file=name)
        target = f"{self.root}/{name}"
        folder = target[: target.rindex("/")]
        # Short, so that a name at the file system's limit still works.
        begin, end = UNFINISHED
        return target, f"{folder}/{begin}{self._mark}{os.getpid()}-{next(_counter)}{end}"

    def _make_folder(self, target: str) -> None:
        folder = target[: target.rindex("/")]
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            if len(self._folders) >= _MOST_FOLDERS:  # some results have one for every image
                self._folders.clear()
            self._folders.add(folder)

    def remove(self, name: str) -> None:
        """Remove a file that was put, if it is there. Raises `WriteError`."""
        target = f"{self.root}/{name}"
        try:
            os.unlink(target)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise WriteError(f"cannot be removed: {error.strerror}", file=target) from error

    def remove_empty_folder(self, name: str) -> None:
        """Remove a folder, if there is nothing in it."""
        folder = f"{self.root}/{name}"
        self._folders.discard(folder)
        with suppress(OSError):
            os.rmdir(folder)


def _failure(target: str, reason: object) -> WriteError:
    return WriteError(f"cannot be written: {reason}", file=target)


def remove_unfinished(folder: Path, process: int, own: str = "", mark: str = "") -> None:
    """Remove what a process that died had not finished in the folders below a data set's.

    `own` is the name of folders below these that are of one item alone, `mark` that of its store.
    """
    begin, end = UNFINISHED
    name = f"{begin}{mark}{process}-*{end}"
    with suppress(OSError):
        for path in [*folder.glob(f"*/{name}"), *folder.glob(f"*/{escape(own)}/{name}")]:
            path.unlink(missing_ok=True)


def _write_new(path: str, parts: Iterable[Part], durable: bool) -> Written:
    """Write a file that does not exist yet, in one call of the system if it takes all at once."""
    size = checksum = 0
    file = os.open(path, NEW, 0o666)
    try:
        views = [memoryview(part) for part in parts]
        for part in views:
            size += len(part)
            checksum = isal_zlib.crc32(part, checksum)
        write_all(file, views)
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    return Written(size, checksum)


def _link(source: str, path: str) -> bool:
    """Make a hard link to a file, or return that the file system has none."""
    try:
        os.link(os.path.realpath(source), path)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _copy(source: str, path: str) -> None:
    """Copy a file to one that does not exist yet."""
    with open(source, "rb", buffering=0) as read:
        file = os.open(path, NEW, 0o666)
        try:
            copy_all(read.fileno(), file, _PIECE)
        finally:
            os.close(file)


def _finish(path: str, durable: bool) -> Written:
    """Read again what a file holds that was not written at once; wait for the disk if `durable`."""
    size = checksum = 0
    file = os.open(path, READ)
    try:
        while piece := os.read(file, _PIECE):
            size += len(piece)
            checksum = isal_zlib.crc32(piece, checksum)
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    return Written(size, checksum)
