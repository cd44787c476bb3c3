"""Archives that are compressed as a whole: unpacked once, to a temporary folder."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from isal import igzip

from ..errors import ProjectError
from ..system import TEMPORARY
from .member_index import Halted
from .members import InflateError
from .volumes import OpenVolumes, SeekableFile

_PIECE = 1 << 20
_LOOK_AFTER = 64  # pieces, at the room that is left
_LEAVES_FREE = 256 << 20  # bytes
_ALWAYS_TAKES, _MOST_TIMES = 1 << 28, 200  # bytes, and times the compressed size

_folders: dict[str, int] = {}  # temporary ones, with the process that made them
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
    try:
        folder = tempfile.mkdtemp(prefix=TEMPORARY)
    except OSError as error:
        raise failure(f"cannot be unpacked: {error.strerror}: {error.filename}") from error
    with _lock:
        _folders[folder] = os.getpid()
    path = Path(folder, "project.tar")
    try:
        return path, _unpack(volumes, size, path, failure, halted)
    except BaseException:
        remove_unpacked(folder)
        raise


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
        is_own = _folders.get(folder) == os.getpid()
        if is_own:
            del _folders[folder]
    if is_own:
        shutil.rmtree(folder, ignore_errors=True)


def remove_all_unpacked() -> None:
    """Remove all temporary folders of this process, without waiting for anybody."""
    for folder, process in [*_folders.items()]:
        if process == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)
