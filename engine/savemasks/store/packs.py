"""Files out as members of archives: a worker's side.

What an item becomes is its *sample*: the members of one archive, side by side. Where it belongs is
known only when all items before it are made. Until then a worker holds a small sample in memory,
and then writes it into the shard itself. A large one, or one that took long, it writes into a file
of its own, which is called a spool; from there whoever leads copies it into the shard.
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
from ..system.file_calls import NEW, READ, READ_AND_WRITE, copy_range, write_all, write_at
from .files import Part, UnfinishedFile, Written
from .pack_members import header, padding

SPOOL = "spool-"
"""How the names of spools begin."""

SPOOL_BYTES = 1 << 22
"""A spool of at least so many bytes gets no more samples."""

_LARGEST_HELD = 1 << 22  # bytes of a sample
_MOST_HELD = 1 << 25  # bytes of all samples that a process holds
_MOST_SHARDS = 4  # that are open
_PIECE = 1 << 20
_counter = itertools.count()


class Sample(NamedTuple):
    """Where a sample is: the file, its first byte there, and how many there are.

    Without a path it is in the memory of the process that made it, under a number instead of an
    offset.
    """

    path: str
    offset: int
    length: int

    @property
    def is_held(self) -> bool:
        """Whether it is in memory."""
        return not self.path and self.length > 0


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


class _Own(threading.local):
    """What a thread has of its own: a spool, and the sample that it is making.

    Attributes
    ----------
    spool
        Its spool, if it has needed one.
    name_of
        Makes the name of a member of a file's name below the root.
    parts, size
        The sample as far as it is in memory, and its bytes there.
    is_spooled
        Whether it goes into the spool instead.
    grown
        Files that grow, in the order in which they have begun, and where they are once they are
        whole.
    has_room
        Whether spools could be written.
    """

    spool: _Spool | None = None
    name_of: Callable[[str], str]
    parts: list[bytes]
    size: int
    is_spooled: bool
    grown: dict[str, str | None]
    has_room: bool


class PackStore:
    """Takes the files of items as members of their samples. May be shared by threads."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Write spools into a folder; `root` is that of the result, for messages."""
        self.root = root
        self._folder = os.fspath(folder)
        self._own = _Own()
        self._spools: list[_Spool] = []
        self._held: dict[int, list[bytes]] = {}
        self._held_bytes = 0
        self._counting = threading.Lock()
        self._shards: dict[str, int] = {}

    def begin(self, name_of: Callable[[str], str]) -> None:
        """Begin the sample of an item: this thread's files are its members until `seal`.

        `name_of` makes the name of a member of a file's name below the root.
        """
        own = self._own
        own.name_of, own.grown, own.has_room = name_of, {}, True
        own.parts, own.size, own.is_spooled = [], 0, False

    def write(self, name: str, parts: Iterable[Part]) -> Written:
        """Add a file; `name` is relative to the root, with "/". Raises `WriteError`."""
        self._add_grown()
        views = [memoryview(part).cast("B") for part in parts]
        size = sum(map(len, views))
        checksum = 0
        for view in views:
            checksum = isal_zlib.crc32(view, checksum)
        try:
            self._append([header(self._own.name_of(name), size), *views, padding(size)])
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
        grown = self._own.grown
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
                self._append([header(self._own.name_of(name), length)])
                while piece := file.read(min(_PIECE, length - size)):
                    size += len(piece)
                    checksum = isal_zlib.crc32(piece, checksum)
                    self._append([piece])
                if size != length:
                    raise self._failure(name, f"{source} has become shorter meanwhile")
                self._append([padding(size)])
        except OSError as error:
            if isinstance(error, WriteError):
                raise
            raise self._failure(name, error.strerror) from error
        return Written(size, checksum)

    def remove(self, name: str) -> None:
        """Do nothing: its item has failed, and the sample will be forgotten."""

    def remove_empty_folder(self, name: str) -> None:
        """Do nothing."""

    def seal(self, *, is_whole: bool, holds: bool = True) -> Sample | None:
        """End the sample, or forget it if it is not whole.

        Parameters
        ----------
        is_whole
            Whether the item was made.
        holds
            Whether the sample may stay in memory.

        Returns
        -------
        Where it is; None if it is not whole; `NO_ROOM` if that is because of the spool.

        Raises
        ------
        WriteError
            If it cannot be made whole; then it has to be forgotten.
        """
        own = self._own
        if is_whole:
            self._add_grown()
            if not own.is_spooled and holds and (number := self._hold()) is not None:
                return Sample("", number, own.size)
            return self._end_spooled()
        for path in filter(None, own.grown.values()):
            with suppress(OSError):
                os.unlink(path)
        if own.spool is not None:
            own.spool.give_up()
        return None if own.has_room else NO_ROOM

    def _hold(self) -> int | None:
        """Keep the sample of this thread in memory; None if that has no room."""
        own = self._own
        with self._counting:
            if self._held_bytes + own.size > _MOST_HELD:
                return None
            self._held_bytes += own.size
        number = next(_counter)
        self._held[number] = own.parts
        return number

    def _end_spooled(self) -> Sample:
        """End the sample in the spool of this thread."""
        own = self._own
        if not own.is_spooled:
            try:
                self._spill()
            except OSError as error:
                failure = f"cannot be written: {error.strerror}"
                raise WriteError(failure, file=str(self.root)) from error
        spool = own.spool
        assert spool is not None
        sample = Sample(spool.path, spool.begin, spool.end - spool.begin)
        spool.begin = spool.end
        if spool.end >= SPOOL_BYTES:
            spool.close()
            self._spools.remove(spool)
            own.spool = None
        return sample

    def place(self, sample: Sample, shard: str, offset: int) -> str | None:
        """Write a sample where it belongs in a shard; return why that has failed, or None.

        It is forgotten then, if it was in memory.
        """
        try:
            file = self._shard(shard)
            if sample.is_held:
                with self._counting:
                    self._held_bytes -= sample.length
                write_at(file, self._held.pop(sample.offset), offset)
            else:
                spool = os.open(sample.path, READ)
                try:
                    os.lseek(file, offset, os.SEEK_SET)
                    copy_range(spool, file, sample.offset, sample.length, _PIECE)
                finally:
                    os.close(spool)
        except OSError as error:
            return str(error.strerror)
        except EOFError:
            return "what it is made of is too short"
        return None

    def close_shard(self, shard: str) -> None:
        """Close the file of a shard, if it is open; nobody may write to it any more."""
        if (file := self._shards.pop(shard, None)) is not None:
            os.close(file)

    def close(self) -> None:
        """Close the spools and shards; nobody may write any more."""
        while self._spools:
            self._spools.pop().close()
        while self._shards:
            os.close(self._shards.popitem()[1])

    def _append(self, parts: list[Part]) -> None:
        """Add to the sample of this thread; may raise `OSError`."""
        own = self._own
        own.size += sum(map(len, parts))
        if own.is_spooled or own.size > _LARGEST_HELD:
            self._spill(parts)
        else:  # views are of memory that is used again
            own.parts += map(_owned, parts)

    def _spill(self, parts: Iterable[Part] = ()) -> None:
        """Write the sample of this thread, as far as it is in memory, and more to its spool."""
        own = self._own
        try:
            if own.spool is None:
                own.spool = _Spool(self._folder)
                self._spools.append(own.spool)
            own.spool.write([memoryview(part) for part in (*own.parts, *parts)])
        except OSError:
            own.has_room = False
            raise
        own.parts, own.is_spooled = [], True

    def _shard(self, path: str) -> int:
        """A shard, to write into it."""
        file = self._shards.get(path)
        if file is None:
            if len(self._shards) == _MOST_SHARDS:
                os.close(self._shards.pop(next(iter(self._shards))))
            file = self._shards[path] = os.open(path, READ_AND_WRITE)
        return file

    def _failure(self, name: str, reason: object) -> WriteError:
        return WriteError(f"cannot be written: {reason}", file=f"{self.root}/{name}")


def _owned(part: Part) -> bytes:
    """A part as bytes, without a copy if it is a view of bytes as a whole."""
    whole = part.obj if isinstance(part, memoryview) else part
    return whole if isinstance(whole, bytes) and len(whole) == len(part) else bytes(part)


def clear_spools(folder: Path) -> None:
    """Remove all spools in a folder, of workers that are no more."""
    for path in folder.glob(f"{SPOOL}*"):
        path.unlink(missing_ok=True)
