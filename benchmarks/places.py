"""Where a race writes its results: on a disk, or in memory (tmpfs), if there is room for them."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.contest import ContestError
else:
    from contest import ContestError

_KEPT_FREE = 256 << 20
"""Bytes that a race leaves to others."""


def place(kind: str, scratch: Path) -> Path:
    """A folder on a file system of a kind, "tmpfs" or "disk"; for a disk it is `scratch`."""
    if kind == "disk":
        if _file_system(scratch) in ("tmpfs", "ramfs"):
            raise ContestError(f"--on disk: {scratch} is in memory; name a folder with --scratch")
        return scratch
    mounted = [Path(folder) for folder, system in _mounts() if system == "tmpfs"]
    usable = [folder for folder in mounted if os.access(folder, os.W_OK | os.X_OK)]
    if not usable:
        raise ContestError("--on tmpfs: there is no tmpfs to write to; use --on disk")
    return max(usable, key=_free_bytes)


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raise `ContestError` if a folder's file system has no room for so many bytes."""
    free = _free_bytes(folder) - _KEPT_FREE
    if needed > free:
        there_is = f"{folder} has room for {max(free, 0) / 1e6:,.0f} MB"
        raise ContestError(
            f"{what} take {needed / 1e6:,.0f} MB, and {there_is}; "
            "use fewer --copies, or another place (--on, --scratch)"
        )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, each in whole blocks of 4 KiB."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in files)


def _free_bytes(folder: Path) -> int:
    """What can be written there; what is in memory must find room in memory as well."""
    free = shutil.disk_usage(folder).free
    if _file_system(folder) == "tmpfs":
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(free, int(line.split()[1]) * 1024)
    return free


def _file_system(folder: Path) -> str:
    """The kind of file system on which a folder lies."""
    around = [
        (len(Path(mount).parts), number, system)
        for number, (mount, system) in enumerate(_mounts())
        if folder.resolve().is_relative_to(mount)
    ]
    return max(around)[2]


def _mounts() -> list[tuple[str, str]]:
    """Folders and kinds of all mounted file systems, in the order of mounting."""
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [(folder.replace("\\040", " "), system) for _, folder, system, *_ in lines]
