"""One run at a time: locks on files of the output's hidden folder.

The operating system releases a lock when the last process that holds it ends, however it ends, so a
killed run leaves no lock behind.
"""

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from ..errors import OutputError
from ..system import FileLock

HIDDEN = ".savemasks"
"""The folder in an output folder that holds the journal, the errors and the locks."""

_WORKERS_TIMEOUT = 60.0  # seconds in which workers of a killed run should finish their items
_POLL_SECONDS = 0.1
_held: list[FileLock] = []  # until the end of this process


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
            self._file.take(wait=False)
        except BlockingIOError:
            owner = self._file.read_note().decode("ascii", "replace").strip() or "unknown"
            raise OutputError(
                f"{root}: another savemasks is at work here (process {owner}); wait for its end"
            ) from None
        except OSError as error:
            raise OutputError(f"{root}: cannot be locked: {error.strerror}") from error
        with suppress(OSError):  # a full or read-only disk: then the message has no process id
            self._file.write_note(b"%d\n" % os.getpid())

    def close(self) -> None:
        """Release it."""
        self._file.close()


def hold_worker_lock(root: Path) -> None:
    """Make the next run wait for the end of this process."""
    with suppress(OSError):
        file = _open(root / HIDDEN / "workers")
        file.take(shared=True, wait=False)
        _held.append(file)


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
                file.take(wait=False)
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
        file.close()


def _open(path: Path) -> FileLock:
    """Open a file to lock it; for reading if it cannot be written."""
    try:
        return FileLock(path)
    except OSError:
        return FileLock(path, read_only=True)
