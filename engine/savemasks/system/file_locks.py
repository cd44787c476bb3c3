"""Locks on files, which end with the process that took them."""

import errno
import importlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from .child_processes import at_fork
from .file_calls import BINARY, NO_LINKS, READ

_FOREVER = 1e6  # seconds
# Files of locks that are open. No fork comes between the opening of one and its entry here.
_open_locks: set["FileLock"] = set()
_opening = threading.RLock()


def _fcntl() -> ModuleType | None:
    """Return the module of locks that only some systems have."""
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return None


class FileLock:
    """A lock on a file, which may hold a note on who has it.

    It ends with the process that took it, however that ends, so a killed one leaves none. A child
    made by a fork has no part in it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or make it unless `read_only`; may raise `OSError`."""
        self._path = path
        self._database: Any = None
        flags = READ if read_only else os.O_RDWR | os.O_CREAT | BINARY
        with _opening:
            self._file = os.open(path, flags | NO_LINKS, 0o666)
            _open_locks.add(self)

    def take(self, *, shared: bool = False, wait: bool = True) -> None:
        """Take the lock, for all who take it shared or for one alone.

        Raises `BlockingIOError` if another has it and `wait` is false, and `OSError` if the file
        system has no locks.
        """
        if (fcntl := _fcntl()) is None:
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
        elif fcntl := _fcntl():
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
