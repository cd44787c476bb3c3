"""Files out as members of archives: a worker's side.

What an item becomes is its *sample*: the members of one archive, side by side. A worker writes
samples one after the other into files of its own, which are called spools. From there they are
copied into shards, in the order of the items, by whoever leads.
"""

import itertools
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from ..errors import WriteError
from ..system import NEW, write_all
from .files import Part, UnfinishedFile, Written
from .tar_members import header, padding

SPOOL = "spool-"
"""How the names of spools begin."""

SPOOL_BYTES = 1 << 22
"""A spool of at least so many bytes gets no more samples."""

_PIECE = 1 << 20
_counter = itertools.count()


class Sample(NamedTuple):
    """Where a sample is: the file, its first byte there, and how many there are."""

    path: str
    offset: int
    length: int


NO_ROOM = Sample("", 0, 0)
"""Instead of a sample: it failed because its spool cannot be written, as no other could be now."""


class _Spool:
    """The spool of one thread."""

    def __init__(self, folder: str) -> None:
        name = f"{SPOOL}{os.getpid()}-{next(_counter)}-{secrets.token_hex(4)}"
        self.path = f"{folder}/{name}"
        self.file = os.open(self.path, NEW, 0o666)
        self.begin = self.end = 0  # of the sample that is being written

    def write(self, parts: list[memoryview]) -> None:
        size = sum(map(len, parts))
        write_all(self.file, parts)
        self.end += size

    def give_up(self) -> None:
        """Forget the sample that is being written."""
        os.ftruncate(self.file, self.begin)
        os.lseek(self.file, self.begin, os.SEEK_SET)
        self.end = self.begin

    def close(self) -> None:
        """Write no more."""
        os.close(self.file)


class PackStore:
    """Takes the files of items as members of their samples. May be shared by threads."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Write spools into a folder; `root` is that of the result, for messages."""
        self.root = root
        self._folder = os.fspath(folder)
        self._own = threading.local()
        self._spools: list[_Spool] = []

    def begin(self, name_of: Callable[[str], str]) -> None:
        """Begin the sample of an item: this thread's files are its members until `seal`.

        `name_of` makes the name of a member of a file's name below the root.
        """
        self._own.name_of = name_of
        self._own.grown = {}
        self._own.has_room = True

    def write(self, name: str, parts: Iterable[Part]) -> Written:
        """Add a file; `name` is relative to the root, with "/". Raises `WriteError`."""
        self._add_grown()
        views = [memoryview(part).cast("B") for part in parts]
        size = sum(map(len, views))
        checksum = 0
        for view in views:
            checksum = isal_zlib.crc32(view, checksum)
        head, tail = header(self._own.name_of(name), size), padding(size)
        try:
            self._append([memoryview(head), *views, memoryview(tail)])
        except OSError as error:
            raise self._failure(name, error.strerror) from error
        return Written(size, checksum)

    @contextmanager
    def growing(self, name: str) -> Iterator[UnfinishedFile]:
        """Add a file that is written piece by piece, if the context is left without an exception.

        Several may grow at a time; they become members in the order in which they begin. Raises
        `WriteError`.
        """
        path = f"{self._folder}/{SPOOL}{os.getpid()}-{next(_counter)}.part"
        target = f"{self.root}/{name}"
        try:
            file = UnfinishedFile(path, path + ".whole", target)
        except OSError as error:
            raise self._failure(name, error.strerror) from error
        grown = self._own.grown
        grown[name] = None  # in the order in which files begin
        try:
            yield file
            try:
                file.finish(durable=False)
            except OSError as error:
                raise file.failure(error.strerror) from error
            grown[name] = path + ".whole"
        except BaseException:
            del grown[name]
            raise
        finally:
            file.close()
            with suppress(OSError):
                os.unlink(path)

    def copy(self, name: str, source: str, data: bytes | None = None) -> Written:
        """Add a copy of the file `source`, which holds `data` if that is known already.

        Raises `WriteError`.
        """
        if data is not None:
            return self.write(name, [data])
        self._add_grown()
        return self._add(name, source)

    def _add_grown(self) -> None:
        """Add the files that have grown."""
        grown: dict[str, str | None] = self._own.grown
        while grown:
            name = next(iter(grown))
            path = grown.pop(name)
            assert path is not None, "a file still grows"
            try:
                self._add(name, path)
            finally:
                with suppress(OSError):
                    os.unlink(path)

    def _add(self, name: str, source: str) -> Written:
        """Add the contents of a file."""
        size = checksum = 0
        try:
            with open(source, "rb", buffering=0) as file:
                length = os.fstat(file.fileno()).st_size
                self._append([memoryview(header(self._own.name_of(name), length))])
                while piece := file.read(min(_PIECE, length - size)):
                    size += len(piece)
                    checksum = isal_zlib.crc32(piece, checksum)
                    self._append([memoryview(piece)])
                if size != length:
                    raise self._failure(name, f"{source} has become shorter meanwhile")
                self._append([memoryview(padding(size))])
        except OSError as error:
            if isinstance(error, WriteError):
                raise
            raise self._failure(name, error.strerror) from error
        return Written(size, checksum)

    def remove(self, name: str) -> None:
        """Do nothing: its item has failed, and the sample will be forgotten."""

    def remove_empty_folder(self, name: str) -> None:
        """Do nothing."""

    def seal(self, *, is_whole: bool) -> Sample | None:
        """End the sample, or forget it if it is not whole.

        Returns where it is; None if it is not whole; `NO_ROOM` if that is because of the spool.
        Raises `WriteError` if it cannot be made whole; then it has to be forgotten.
        """
        if is_whole:
            self._add_grown()
        for path in filter(None, self._own.grown.values()):
            with suppress(OSError):
                os.unlink(path)
        spool: _Spool | None = getattr(self._own, "spool", None)
        if spool is None:  # it could not be made, or the item has failed before it was needed
            return None if self._own.has_room else NO_ROOM
        if not is_whole:
            spool.give_up()
            return None if self._own.has_room else NO_ROOM
        sample = Sample(spool.path, spool.begin, spool.end - spool.begin)
        spool.begin = spool.end
        if spool.end >= SPOOL_BYTES:
            spool.close()
            self._spools.remove(spool)
            self._own.spool = None
        return sample

    def close(self) -> None:
        """Close the spools; nobody may write any more."""
        while self._spools:
            self._spools.pop().close()

    def _append(self, parts: list[memoryview]) -> None:
        """Write to the spool of this thread; may raise `OSError`."""
        try:
            self._spool().write(parts)
        except OSError:
            self._own.has_room = False
            raise

    def _spool(self) -> _Spool:
        spool: _Spool | None = getattr(self._own, "spool", None)
        if spool is None:
            spool = self._own.spool = _Spool(self._folder)
            self._spools.append(spool)
        return spool

    def _failure(self, name: str, reason: object) -> WriteError:
        return WriteError(f"cannot be written: {reason}", file=f"{self.root}/{name}")


def clear_spools(folder: Path) -> None:
    """Remove all spools in a folder, of workers that are no more."""
    for path in folder.glob(f"{SPOOL}*"):
        path.unlink(missing_ok=True)
