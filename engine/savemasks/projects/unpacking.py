"""Archives that are compressed as a whole: unpacked once, to a temporary folder.

A file in the folder is locked as long as the process lives. What a killed one has left there is
removed by the next one that unpacks something.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time

from isal import igzip

from ..errors import ProjectError
from ..system.file_calls import TEMPORARY
from ..system.file_locks import FileLock
from .member_index import Halted
from .members import InflateError
from .volumes import OpenVolumes, SeekableFile

_PIECE = 1 << 20
_LOOK_AFTER = 64  # pieces, at the room that is left
_LEAVES_FREE = 256 << 20  # bytes
_ALWAYS_TAKES, _MOST_TIMES = 1 << 28, 200  # bytes, and times the compressed size

_TAR, _LOCK = "project.tar", "savemasks.lock"  # all that is in the folder
_NEW_SECONDS = 60.0  # in which a process has surely locked the folder that it has made

_folders: dict[str, tuple[int, FileLock]] = {}  # temporary ones, with the process that made them
_lock = threading.Lock()


def unpack(
    volumes: OpenVolumes, size: int, failure: Callable[[str], ProjectError], halted: Halted
) -> tuple[Path, int]:
    """Unpack a gzip archive; return the file in a new temporary folder, and its size.

    `remove_unpacked` removes it.

    Raises
    ------
    ProjectError
        If it is damaged, or is too large for the disk or for what a project may be.
    KeyboardInterrupt
        If `halted` says so.
    """
    _remove_abandoned()
    try:
        folder = _new_folder()
    except OSError as error:
        raise failure(f"cannot be unpacked: {error.strerror}: {error.filename}") from error
    path = Path(folder, _TAR)
    try:
        return path, _unpack(volumes, size, path, failure, halted)
    except BaseException:
        remove_unpacked(folder)
        raise


def _new_folder() -> str:
    """Make a temporary folder, and hold the lock in it; may raise `OSError`."""
    folder = tempfile.mkdtemp(prefix=TEMPORARY)
    try:
        lock = FileLock(Path(folder, _LOCK))
    except OSError:
        os.rmdir(folder)
        raise
    with suppress(OSError):  # a file system without locks: nobody will call it abandoned
        lock.take(wait=False)
    with _lock:
        _folders[folder] = os.getpid(), lock
    return folder


def _unpack(
    volumes: OpenVolumes,
    size: int,
    path: Path,
    failure: Callable[[str], ProjectError],
    halted: Halted,
) -> int:
    most, done, pieces = max(_ALWAYS_TAKES, size * _MOST_TIMES), 0, 0
    file = SeekableFile(volumes.read, size)
    try:
        packed = igzip.open(file, "rb")  # type: ignore[no-untyped-call]
        with packed, open(path, "xb", 0) as out:
            while piece := packed.read(_PIECE):
                if halted():
                    raise KeyboardInterrupt
                if done + len(piece) > most:
                    raise failure(
                        f"unpacks to more than {_MOST_TIMES} times its size, which no project does"
                    )
                if pieces % _LOOK_AFTER == 0 and _is_nearly_full(path.parent):
                    raise failure(
                        f"is compressed as a whole, and {path.parent.parent} has no room to unpack"
                        " it; let TMPDIR name a folder on a larger disk, or unpack it yourself"
                    )
                out.write(piece)
                done, pieces = done + len(piece), pieces + 1
    except EOFError as error:
        raise failure("is cut off; a part of it is missing: fetch it again") from error
    except (igzip.BadGzipFile, InflateError) as error:
        raise failure(f"is damaged, and cannot be unpacked ({error}): fetch it again") from error
    except ProjectError:
        raise
    except OSError as error:
        raise failure(f"cannot be unpacked to {path}: {error.strerror}") from error
    return done


def _is_nearly_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _LEAVES_FREE + _LOOK_AFTER * _PIECE


def remove_unpacked(folder: str) -> None:
    """Remove a temporary folder, if this process has made it."""
    with _lock:
        process, lock = _folders.get(folder, (0, None))
        if lock is None or process != os.getpid():
            return
        del _folders[folder]
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def remove_all_unpacked() -> None:
    """Remove all temporary folders of this process, without waiting for anybody."""
    for folder, (process, _) in [*_folders.items()]:
        if process == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove temporary folders of processes that were killed."""
    with suppress(OSError):
        for entry in [*os.scandir(tempfile.gettempdir())]:
            if entry.name.startswith(TEMPORARY) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):  # it is in use, or not ours
                    _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a temporary folder whose lock nobody holds; may raise `OSError`."""
    is_ours = {_LOCK} <= {*os.listdir(folder)} <= {_TAR, _LOCK, f"{_LOCK}.sqlite"}
    if not is_ours or time() - os.stat(folder / _LOCK).st_mtime < _NEW_SECONDS:
        return
    lock = FileLock(folder / _LOCK, read_only=True)
    try:
        lock.take(wait=False)
        shutil.rmtree(folder)
    finally:
        lock.close()
