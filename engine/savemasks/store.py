"""Files out: whole or not at all.

A file is written beside its place under a temporary name and then renamed, so that nobody ever
sees half of it. Everything stays below the store's root.
"""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from .errors import WriteError

_counter = itertools.count()


class Store:
    """A folder that results are put into. May be shared by threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: set[str] = set()

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Put a file; `name` is relative to the root, with "/". Raises `WriteError`."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
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
                    file.writelines(parts)
                os.replace(unfinished, target)  # noqa: PTH105
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise WriteError(f"cannot be written: {error.strerror}", file=target) from error

    def remove(self, name: str) -> None:
        """Remove a file that was put, if it is there."""
        (self.root / name).unlink(missing_ok=True)
