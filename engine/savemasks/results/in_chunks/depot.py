"""Where a result is that is made in chunks: a folder, or a place in an object store.

Everything goes by names below the root. A file is put whole or not at all.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import has_magic
from pathlib import Path

from ...errors import OutputError, WriteError
from ...remote import Url, explained, put_all, read_all, retrying
from ...store.files import Store
from ..lock import HIDDEN

_AT_ONCE = 64  # small files that are read at a time


class Depot:
    """Reads, puts, lists and removes what is below an address; may be shared by threads.

    Attributes
    ----------
    url
        The address.
    folder
        The same as a folder, if it is one of this machine.
    """

    def __init__(self, url: Url, *, durable: bool = False, mark: str = "") -> None:
        """Wait for the disk if `durable`; `mark` is in the names of unfinished files."""
        self.url, self.folder = url, url.folder
        self._store: Store | None = None
        if self.folder is not None:
            self._store = Store(self.folder, durable=durable, mark=mark)

    def __str__(self) -> str:
        return str(self.folder or self.url)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Put files; raises `OutputError`."""
        try:
            if self._store is None:
                put_all(self.url, files)
            else:
                for name, content in files.items():
                    self._store.write(name, [content])
        except WriteError as error:
            raise OutputError(str(error)) from error
        except OSError as error:
            raise self._failure("written", error) from error

    def put_file(self, name: str, path: str) -> None:
        """Put a large file without holding it in memory; may raise `OSError`."""
        if self._store is None:
            retrying(self.url.fs.put_file, path, f"{self.url.path}/{name}")
        else:
            self._store.copy(name, path)

    def find(self, name: str) -> bytes | None:
        """The contents of a file, or None if there is none; raises `OutputError`."""
        try:
            return (self.url / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failure("read", error, name) from error

    def read_each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Names and contents of small files, of which some are read at once.

        Those that are no longer there are left out. Raises `OutputError`.
        """
        group: list[str] = []
        for name in names:
            group.append(name)
            if len(group) == _AT_ONCE:
                yield from self._read_group(group)
                group = []
        yield from self._read_group(group)

    def _read_group(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        try:
            found = read_all(self.url, names)
        except OSError as error:
            raise self._failure("read", error) from error
        for name in names:
            content = found[name]
            if isinstance(content, bytes):
                yield name, content
            elif not isinstance(content, FileNotFoundError):
                raise self._failure("read", content, name) from content

    def names(self, folder: str) -> list[str]:
        """Names of the files and folders directly in a folder below; raises `OutputError`."""
        fs, path = self.url.fs, f"{self.url.path}/{folder}".rstrip("/")

        def listed() -> list[str]:
            fs.invalidate_cache(path)  # others have written there
            return [str(each).rstrip("/") for each in fs.ls(path, detail=False)]

        try:
            found = retrying(listed)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failure("listed", error, folder) from error
        own = fs._strip_protocol(path)
        return sorted(each.rpartition("/")[2] for each in found if each != own)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, as far as they are there; raises `OutputError`."""
        fs, paths = self.url.fs, [f"{self.url.path}/{name}" for name in names]
        try:
            if self.folder is None:
                plain = [path for path in paths if not has_magic(path)]  # `rm` expands the others
                with suppress(FileNotFoundError):
                    if len(plain) > 1:
                        retrying(fs.rm, plain)
                        paths = [path for path in paths if has_magic(path)]
            for path in paths:
                with suppress(FileNotFoundError, NotADirectoryError):
                    retrying(fs.rm_file, path)
        except OSError as error:
            raise self._failure("removed", error) from error

    def is_empty(self) -> bool:
        """Whether nothing is there besides what is hidden; raises `OutputError`."""
        return all(name == HIDDEN for name in self.names(""))

    def _failure(self, what: str, error: OSError, name: str = "") -> OutputError:
        where = f"{self}/{name}".rstrip("/")
        return OutputError(f"{where}: cannot be {what}: {explained(error)}")


def as_url(place: Path | Url) -> Url:
    """The address of a folder, or the address itself."""
    return place if isinstance(place, Url) else Url(f"file://{os.path.abspath(place)}")
