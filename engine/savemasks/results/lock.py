"""One run at a time: locks on files of the output's hidden folder.

The operating system releases a lock when the last process that holds it ends, however it ends, so a
killed run leaves no lock behind.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from ..errors import OutputError

HIDDEN = ".savemasks"
"""The folder in an output folder that holds the journal, the errors and the locks."""

_WORKERS_TIMEOUT = 60.0  # seconds in which workers of a killed run should finish their items
_POLL_SECONDS = 0.1


class Lock:
    """The exclusive lock of an output folder."""

    def __init__(self, root: Path) -> None:
        """Acquire it; raises `OutputError` if another process holds it."""
        folder = root / HIDDEN
        try:
            self._file = _open(folder / "lock")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        try:
            self._acquire(root)
            _wait_for_workers(root)
        except BaseException:
            self.close()
            raise

    def _acquire(self, root: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise OutputError(
                f"{root}: another savemasks is at work here (process {owner}); wait for its end"
            ) from None
        except OSError as error:
            raise OutputError(f"{root}: cannot be locked: {error.strerror}") from error
        with suppress(OSError):  # a full or read-only disk: then the message has no process id
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Release it."""
        os.close(self._file)


def hold_worker_lock(root: Path) -> int | None:
    """Make the next run wait for the end of this process.

    Returns the descriptor that must stay open until then, or None if the file cannot be locked.
    """
    try:
        file = _open(root / HIDDEN / "workers")
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    return file


def _wait_for_workers(root: Path) -> None:
    """Wait until all workers of a run that was killed have ended."""
    try:
        file = _open(root / HIDDEN / "workers")
    except OSError:
        return
    end = monotonic() + _WORKERS_TIMEOUT
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if monotonic() < end:
                    sleep(_POLL_SECONDS)
                    continue
                raise OutputError(
                    f"{root}: workers of a run that was killed are still at work here;"
                    " wait for their end, or end them"
                ) from None
            return
    finally:
        os.close(file)


def _open(path: Path) -> int:
    """Open a file to lock it; for reading if it cannot be written."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
