"""The one file that knows the operating system.

Whatever Linux has and other systems may lack is used here, and each function has another way where
it is missing. It is looked up when it is needed, not when this file is imported, so that tests can
take it away.
"""

import errno
import functools
import importlib
import os
import select
import selectors
import signal
import stat
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# Windows would translate line ends in what is not opened as binary. Python itself takes care that
# no other program inherits an open file.
_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

READ = os.O_RDONLY | _BINARY
"""Flags for `os.open`: a file to read."""
READ_AT_ONCE = READ | getattr(os, "O_NONBLOCK", 0)
"""The same, without waiting for whoever might write to a pipe."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
"""Flags for `os.open`: a file to write that does not exist yet."""
READ_AND_WRITE = os.O_RDWR | _BINARY
"""Flags for `os.open`: a file to read and to write."""
NEW_TO_READ = READ_AND_WRITE | os.O_CREAT | os.O_EXCL
"""The same for a file that does not exist yet."""


def _module(name: str) -> ModuleType | None:
    """Return a module that only some systems have."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# ---------------------------------------------------------------- processors and memory

_ASSUMED_MEMORY = 4 << 30  # where nobody says how much there is
_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """How many cores this process may use; all of the machine where the system does not say."""
    if affinity := getattr(os, "sched_getaffinity", None):
        return len(affinity(0))
    count = getattr(os, "process_cpu_count", os.cpu_count)  # from Python 3.13 on
    return count() or 1


@functools.cache
def available_memory() -> int:
    """Bytes that the machine has, or the control group of this process if that may use fewer."""
    total = _ASSUMED_MEMORY
    if sysconf := getattr(os, "sysconf", None):
        total = sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES")
    return min([total, *_cgroup_limits(Path("/proc/self/cgroup"), _CGROUPS)])


def _cgroup_limits(membership: Path, root: Path) -> Iterator[int]:
    """The limits of a process's control group and those above it, of either version."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / path.lstrip("/")
        # In a container the path may be the host's; then the root is the container's own.
        for place in [folder, *folder.parents]:
            if not place.is_relative_to(base):
                break
            try:
                yield int((place / name).read_text())
            except (OSError, ValueError):  # no such file, or "max"
                continue


# ---------------------------------------------------------------- files

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


# ---------------------------------------------------------------- users


def user_number() -> int:
    """The number of the user; 0 where users have none."""
    number: int = getattr(os, "getuid", int)()
    return number


def is_private(folder: Path) -> bool:
    """Whether only this user can write to a folder; taken for granted where users have no number.

    There the temporary folder is the user's own.
    """
    if not hasattr(os, "getuid"):
        return True
    status = folder.lstat()
    return status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077


# ---------------------------------------------------------------- forks


def at_fork(
    *,
    before: Callable[[], object] | None = None,
    in_parent: Callable[[], object] | None = None,
    in_child: Callable[[], object] | None = None,
) -> None:
    """Have functions called around every fork of this process, where processes can fork."""
    functions = {"before": before, "after_in_parent": in_parent, "after_in_child": in_child}
    if register := getattr(os, "register_at_fork", None):
        register(**{when: function for when, function in functions.items() if function})


# ---------------------------------------------------------------- locks

_FOREVER = 1e6  # seconds
# Files of locks that are open. No fork comes between the opening of one and its entry here.
_open_locks: set["FileLock"] = set()
_opening = threading.RLock()


class FileLock:
    """A lock on a file, which may hold a note on who has it.

    It ends with the process that took it, however that ends, so a killed one leaves none. A child
    made by a fork has no part in it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or make it unless `read_only`; may raise `OSError`."""
        self._path = path
        self._database: Any = None
        flags = READ if read_only else os.O_RDWR | os.O_CREAT | _BINARY
        with _opening:
            self._file = os.open(path, flags | _NO_LINKS, 0o666)
            _open_locks.add(self)

    def take(self, *, shared: bool = False, wait: bool = True) -> None:
        """Take the lock, for all who take it shared or for one alone.

        Raises `BlockingIOError` if another has it and `wait` is false, and `OSError` if the file
        system has no locks.
        """
        if (fcntl := _module("fcntl")) is None:
            self._take_by_database(shared, wait)
            return
        operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(self._file, operation if wait else operation | fcntl.LOCK_NB)

    def _take_by_database(self, shared: bool, wait: bool) -> None:
        """Lock an empty database beside the file: SQLite knows how to on every system."""
        import sqlite3  # not needed on most systems

        database = None
        try:
            database = sqlite3.connect(
                os.fsencode(f"{self._path}.sqlite"),
                timeout=_FOREVER if wait else 0,
                isolation_level=None,
                check_same_thread=False,
            )
            database.execute("BEGIN" if shared else "BEGIN EXCLUSIVE")
            database.execute("SELECT 1 FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            if database is not None:
                database.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise BlockingIOError(errno.EAGAIN, str(error)) from error
            raise OSError(errno.ENOLCK, str(error)) from error
        self._database = database

    def read_note(self) -> bytes:
        """Up to 20 bytes of the note, which may be read without the lock."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, 20)

    def write_note(self, text: bytes) -> None:
        """Replace the note; may raise `OSError`."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, text)

    def close(self) -> None:
        """Give it back; nothing is left to give back in a child of the process that took it."""
        if self not in _open_locks:
            return
        _open_locks.remove(self)
        if self._database is not None:
            self._database.close()
        elif fcntl := _module("fcntl"):
            # By name: an open file that another process has inherited would keep the lock.
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)

    @staticmethod
    def _let_go_in_child() -> None:
        """Close what was inherited, which takes nothing from the parent."""
        for lock in _open_locks:
            os.close(lock._file)
        _open_locks.clear()
        _opening.release()


at_fork(before=_opening.acquire, in_parent=_opening.release, in_child=FileLock._let_go_in_child)

# ---------------------------------------------------------------- processes


@contextmanager
def signals_wait(numbers: Collection[signal.Signals]) -> Iterator[None]:
    """Let signals wait, also for the processes that are started meanwhile.

    Where they cannot be told to, they come at once.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def ignore_signals(numbers: Collection[signal.Signals]) -> None:
    """Ignore signals, with those that wait since `signals_wait`."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    if mask := getattr(signal, "pthread_sigmask", None):
        mask(signal.SIG_UNBLOCK, numbers)


def signal_name(number: int) -> str:
    """The name of a signal, or its number if it has none here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_reason(code: int) -> str:
    """How a process ended, by its exit code: a verb and what belongs to it."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal_name(-code)
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


_READ_AT_ONCE = 1 << 18  # bytes


def _end_of_message(data: bytearray, at: int) -> tuple[int, int] | None:
    """Where a message begins behind its length, and where it ends; None if that is not there yet.

    `Connection` writes lengths so: in four bytes, or -1 and eight bytes.
    """
    begin = at + 4
    if len(data) < begin:
        return None
    length = int.from_bytes(data[at:begin], "big", signed=True)
    if length >= 0:
        return begin, begin + length
    begin += 8
    if len(data) < begin:
        return None
    return begin, begin + int.from_bytes(data[begin - 8 : begin], "big")


def has_message(pipe: "Connection") -> bool:
    """Whether something has come through a pipe, or its other end was closed."""
    if not hasattr(select, "poll"):
        return pipe.poll(0)
    poll = select.poll()  # takes a quarter of the time of `pipe.poll`
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(0))


class Pipes:
    """Pipes from which something may come, each with what belongs to it."""

    def __init__(self) -> None:
        self._owners: dict[Connection, Any] = {}
        self._begun: dict[Connection, bytearray] = {}
        # Windows can wait for pipes, but not select them.
        self._selector = selectors.DefaultSelector() if hasattr(select, "poll") else None

    def add(self, pipe: "Connection", owner: object) -> None:
        """Begin to wait for a pipe."""
        self._owners[pipe] = owner
        if self._selector:
            self._selector.register(pipe, selectors.EVENT_READ, owner)

    def remove(self, pipe: "Connection") -> None:
        """Wait for a pipe no more; it must still be open."""
        del self._owners[pipe]
        self._begun.pop(pipe, None)
        if self._selector:
            self._selector.unregister(pipe)

    def ready(self, seconds: float) -> list[Any]:
        """What belongs to the pipes from which something came, or whose other end was closed.

        Waits for the first, but not longer than told.
        """
        if self._selector:
            return [key.data for key, _ in self._selector.select(seconds)]
        from multiprocessing.connection import wait  # for Windows alone

        return [self._owners[pipe] for pipe in wait([*self._owners], seconds)]  # type: ignore[index]

    def read(self, pipe: "Connection") -> list[bytes]:
        """All messages that have come through a pipe, which must be ready.

        They may be none, if one has not come wholly. Raises `EOFError` if the other end was closed.
        """
        if not self._selector:
            return [pipe.recv_bytes()]
        data = os.read(pipe.fileno(), _READ_AT_ONCE)
        if not data:
            raise EOFError
        begun = self._begun.setdefault(pipe, bytearray())
        begun += data
        messages, at = [], 0
        while (end := _end_of_message(begun, at)) is not None and end[1] <= len(begun):
            messages.append(bytes(begun[end[0] : end[1]]))
            at = end[1]
        del begun[:at]
        return messages

    def close(self) -> None:
        """Wait for none of them."""
        if self._selector:
            self._selector.close()
