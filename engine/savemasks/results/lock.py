"""One run at a time: locks on files of the output's hidden folder.

The kernel lets go of a lock when the last process that holds it ends, however it ends, so a killed
run leaves none behind.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from ..errors import OutputError

HIDDEN = ".savemasks"
"""The folder in an output folder that holds the journal, the errors and the locks."""

_PATIENCE = 60.0  # seconds that workers of a killed run get to finish the item in their hands
_BLINK = 0.1


class Lock:
    """The right to work on an output folder."""

    def __init__(self, root: Path) -> None:
        """Take it; raises `OutputError` if somebody else has it."""
        folder = root / HIDDEN
        try:
            self._file = _open(folder / "lock")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        try:
            self._take(root)
            _await_workers(root)
        except BaseException:
            self.close()
            raise

    def _take(self, root: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise OutputError(
                f"{root}: another savemasks is at work here (process {owner}); wait for its end"
            ) from None
        except OSError as error:
            raise OutputError(f"{root}: cannot be locked: {error.strerror}") from error
        with suppress(OSError):  # a full disk, a read-only one: then nobody is told the number
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Give it back."""
        os.close(self._file)


def hold_as_worker(root: Path) -> int | None:
    """Let the next run wait for the end of this process; returns what must not be closed."""
    try:
        file = _open(root / HIDDEN / "workers")
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    return file


def _await_workers(root: Path) -> None:
    """Wait until all workers of a run that was killed have ended."""
    try:
        file = _open(root / HIDDEN / "workers")
    except OSError:
        return
    end = monotonic() + _PATIENCE
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if monotonic() < end:
                    sleep(_BLINK)
                    continue
                raise OutputError(
                    f"{root}: workers of a run that was killed are still at work here;"
                    " wait for their end, or end them"
                ) from None
            return
    finally:
        os.close(file)


def _open(path: Path) -> int:
    """Open a file to lock it, for reading only if it may not be written."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
