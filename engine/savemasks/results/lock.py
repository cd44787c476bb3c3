"""One run at a time: locks on files of the output's hidden folder.

The operating system releases a lock when the last process that holds it ends, however it ends, so a
killed run leaves no lock behind.

A run takes the lock of the result for itself alone. The parts of a divided result share it, and
each takes one of its own besides.
"""

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, Self

from ..errors import OutputError
from ..projects.parts import Part, stem_of
from ..system.file_locks import FileLock

HIDDEN = ".savemasks"
"""The folder in an output folder that holds the journal, the errors and the locks."""

PARTS = "parts"
"""The folder in the hidden folder that holds a hidden folder for each part."""

_WORKERS_TIMEOUT = 60.0  # seconds in which workers of a killed run should finish their items
_PART_TIMEOUT = 1.0  # seconds in which whoever only looks at the lock of a part has seen enough
_POLL_SECONDS = 0.1
_held: list[FileLock] = []  # until the end of this process


def hidden_name(part: Part | None) -> str:
    """The name of the hidden folder below a result, that of a part if it is one."""
    return HIDDEN if part is None else f"{HIDDEN}/{PARTS}/{part.name}"


def hidden_folder(root: Path, part: Part | None = None) -> Path:
    """The hidden folder of a result, or of a part of it."""
    return root / hidden_name(part)


class Folders(NamedTuple):
    """Where a result or a part of it lies.

    Attributes
    ----------
    root
        The folder of the result.
    hidden
        The hidden folder, of the part if it is one.
    stem
        What the names of its shards begin with.
    """

    root: Path
    hidden: Path
    stem: str

    @classmethod
    def of(cls, root: Path, part: Part | None = None) -> Self:
        """Those of a result, or of a part of it."""
        return cls(root, hidden_folder(root, part), stem_of(root.name, part))


class Lock:
    """The exclusive lock of an output folder; of a divided one, nobody works on any part."""

    def __init__(self, root: Path, *, patience: float = 0.0) -> None:
        """Acquire it; raises `OutputError` if another process holds it for so many seconds."""
        self._file = open_lock(root / HIDDEN)
        try:
            _take_alone(self._file, root, patience)
            wait_for_workers(root)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release it."""
        self._file.close()


def lock_part(root: Path, part: Part) -> FileLock:
    """Lock a part of a result; raises `OutputError` if another process holds it."""
    folder = hidden_folder(root, part)
    shown = f"{root}, part {part}"
    file = open_lock(folder)
    try:
        _take_alone(file, shown, _PART_TIMEOUT)
        _wait_for_workers(shown, folder)
    except BaseException:
        file.close()
        raise
    return file


def is_at_work(root: Path, part: Part) -> bool:
    """Whether somebody makes a part now."""
    try:
        file = open_lock(hidden_folder(root, part))
    except OutputError:
        return False
    try:
        return not take(file, root)
    finally:
        file.close()


def hold_worker_lock(root: Path, part: Part | None = None) -> None:
    """Make the next run wait for the end of this process."""
    with suppress(OSError):
        file = _open(hidden_folder(root, part) / "workers")
        file.take(shared=True, wait=False)
        _held.append(file)


def open_lock(folder: Path) -> FileLock:
    """Open the lock of a hidden folder; raises `OutputError`."""
    try:
        return _open(folder / "lock")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error


def write_refusal(folder: Path, names: Iterable[str]) -> str | None:
    """Say which file of a hidden folder, or that the folder, must not be written; or None."""
    for path in (folder / name for name in names):
        try:
            open(path, "r+b").close()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{path}: cannot be written: {error.strerror}"
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return f"{folder}: cannot be written: {os.strerror(errno.EACCES)}"


def take(file: FileLock, shown: object, *, shared: bool = False) -> bool:
    """Take a lock unless another process holds it; raises `OutputError` if there are no locks."""
    try:
        file.take(shared=shared, wait=False)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OutputError(f"{shown}: cannot be locked: {error.strerror}") from error
    return True


def busy(file: FileLock, shown: object) -> OutputError:
    """The error that says who holds a lock."""
    owner = file.read_note().decode("ascii", "replace").strip() or "unknown"
    return OutputError(
        f"{shown}: another savemasks is at work here (process {owner}); wait for its end"
    )


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds, and return whether it does; look at least once."""
    end = monotonic() + seconds
    while not holds():
        if monotonic() >= end:
            return False
        sleep(_POLL_SECONDS)
    return True


def _take_alone(file: FileLock, shown: object, patience: float) -> None:
    """Take a lock, and say so in it; raises `OutputError` if another holds it for so long."""
    if not wait_until(lambda: take(file, shown), patience):
        raise busy(file, shown)
    with suppress(OSError):  # a full or read-only disk: then the message has no process id
        file.write_note(b"%d\n" % os.getpid())


def wait_for_workers(root: Path) -> None:
    """Wait until all workers of runs that were killed have ended, of all parts too."""
    hidden = root / HIDDEN
    for folder in (hidden, *sorted((hidden / PARTS).glob("*/"))):
        _wait_for_workers(root, folder)


def _wait_for_workers(shown: object, folder: Path) -> None:
    """Wait until all workers of a run that was killed have ended."""
    try:
        file = _open(folder / "workers")
    except OSError:
        return
    try:

        def have_ended() -> bool:
            try:
                file.take(wait=False)
            except BlockingIOError:
                return False
            return True

        if not wait_until(have_ended, _WORKERS_TIMEOUT):
            raise OutputError(
                f"{shown}: workers of a run that was killed are still at work here;"
                " wait for their end, or end them"
            )
    finally:
        file.close()


def _open(path: Path) -> FileLock:
    """Open a file to lock it; for reading if it cannot be written."""
    try:
        return FileLock(path)
    except OSError:
        return FileLock(path, read_only=True)
