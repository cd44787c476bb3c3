"""Files out: whole or not at all.

A file is written beside its place under a temporary name and then renamed, so that nobody ever
sees half of it. Everything stays below the store's root.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from .errors import WriteError

_counter = itertools.count()


class Store:
    """A folder that results are put into. May be shared by threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: set[str] = set()

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Put a file; `name` is relative to the root, with "/". Raises `WriteError`."""

        def fill(file: BinaryIO) -> None:
            file.writelines(parts)

        self._put(name, fill)

    def copy(self, source: str, name: str) -> None:
        """Put a copy of a local file.

        Raises `WriteError`, or a plain OSError if it is the source that cannot be read.
        """
        with open(source, "rb", buffering=0) as original:  # noqa: PTH123  (the hot path)
            self._put(name, lambda file: _copy_contents(original, file))

    def remove(self, name: str) -> None:
        """Remove a file that was put, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def _put(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise WriteError("would lie outside the output folder", file=name)
        target = os.path.join(self.root, name)  # noqa: PTH118
        folder = os.path.dirname(target)  # noqa: PTH120
        # Short, so that a name at the file system's limit still works.
        unfinished = f"{folder}/.savemasks-{os.getpid()}-{next(_counter)}.part"
        try:
            if folder not in self._folders:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                self._folders.add(folder)
            try:
                with open(unfinished, "xb") as file:  # noqa: PTH123
                    fill(file)
                os.replace(unfinished, target)  # noqa: PTH105
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise WriteError(f"cannot be written: {error.strerror}", file=target) from error


def _copy_contents(source: BinaryIO, target: BinaryIO) -> None:
    """Copy inside the kernel where it can (which also shares blocks on file systems that do)."""
    size = os.fstat(source.fileno()).st_size
    try:
        copied = 0
        while copied < size:
            step = os.copy_file_range(source.fileno(), target.fileno(), size - copied)
            if step == 0:
                return
            copied += step
    except OSError:
        # Across some file systems it is not supported; an error of the disk comes up again here.
        source.seek(0)
        target.seek(0)
        target.truncate()
        shutil.copyfileobj(source, target, 1 << 20)
