"""Projects at addresses, such as a bucket: a `RemotePath` is what a `Path` is elsewhere.

A store answers each request after tens of milliseconds and has no folders, only names with "/". So
a folder is listed and never walked, and what the listing tells of a file is kept with its name.
"""

import errno
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Self

from ..remote import Url, kind_of
from .ignored import is_hidden
from .remote_listing import Found, Page, scan


@dataclass(frozen=True, slots=True)
class RemotePath:
    """The place of a folder or file at an address; as text, without credentials.

    Attributes
    ----------
    url
        The address.
    """

    url: Url

    def __str__(self) -> str:
        return str(self.url)

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(self.url / name)

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.name

    def is_dir(self) -> bool:
        """Whether it is a folder; raises `OSError`."""
        return kind_of(self.url) == "directory"

    def is_there(self) -> bool:
        """Whether it is a file; raises `OSError`."""
        return kind_of(self.url) == "file"

    def read_bytes(self) -> bytes:
        """The contents of a file; raises `OSError`."""
        return self.url.read_bytes()

    def pages(self) -> Iterator[Page]:
        """What is in it, piece by piece, in order; raises `OSError` with its name."""
        last = ""
        try:
            for page in scan(self.url):
                last = _check_order(last, page.files)
                yield page
        except OSError as error:
            number = error.errno or (errno.EACCES if _is_forbidden(error) else errno.EIO)
            raise OSError(number, error.strerror or str(error), str(self)) from error

    def folders(self) -> Iterator["RemotePath"]:
        """The folders in it, by name."""
        return (self / name for page in self.pages() for name in page.folders)

    def files(self) -> list[str]:
        """Names of the files in it."""
        return [file.name for page in self.pages() for file in page.files]

    def below(self, folders: Iterable[str]) -> Iterator[str]:
        """Names of the files in some folders of it, to any depth, without hidden ones."""
        for name in filter(_is_seen, folders):
            inner, deeper = self / name, list[str]()
            for page in inner.pages():
                deeper += page.folders
                yield from (f"{name}/{f.name}" for f in page.files if _is_seen(f.name))
            yield from (f"{name}/{found}" for found in inner.below(deeper))


def _check_order(last: str, files: Sequence[Found]) -> str:
    """Refuse files that do not come after others, with an `OSError` -> the last one's name."""
    for file in files:
        if file.name <= last:
            raise OSError(errno.EIO, f"the store lists {file.name} after {last}, in no order")
        last = file.name
    return last


def _is_forbidden(error: OSError) -> bool:
    return isinstance(error, PermissionError)


def _is_seen(name: str) -> bool:
    return not is_hidden(name)


class RemoteFile(NamedTuple):
    """What a listing told of a file, as `os.stat_result` has it."""

    st_size: int
    st_mtime_ns: int


class RemoteFolder:
    """Files of a folder at an address, as it was listed; takes 16 bytes a file besides its name.

    Attributes
    ----------
    names
        Sorted.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._sizes, self._stamps = array("Q"), array("Q")

    @classmethod
    def listed(cls, place: RemotePath) -> Self:
        """List a folder; raises `OSError`."""
        folder = cls()
        folder.add(chain.from_iterable(page.files for page in place.pages()))
        return folder

    def add(self, files: Iterable[Found]) -> None:
        """Add files that come after all that it has; hidden ones are left out."""
        for name, size, stamp in files:
            if not is_hidden(name):
                self.names.append(name)
                self._sizes.append(size)
                self._stamps.append(stamp)

    def take_before(self, border: str | None) -> "RemoteFolder":
        """Remove the files whose names are less than a border, or all -> a folder of them."""
        at = len(self.names) if border is None else bisect_left(self.names, border)
        taken = RemoteFolder()
        taken.names, self.names = self.names[:at], self.names[at:]
        taken._sizes, self._sizes = self._sizes[:at], self._sizes[at:]
        taken._stamps, self._stamps = self._stamps[:at], self._stamps[at:]
        return taken

    def find(self, name: str) -> RemoteFile | None:
        """A file, or None if it is not there."""
        at = bisect_left(self.names, name)
        if at == len(self.names) or self.names[at] != name:
            return None
        return RemoteFile(self._sizes[at], self._stamps[at])

    def stat(self, name: str) -> RemoteFile:
        """As `find`; raises `OSError` if it is not there."""
        found = self.find(name)
        if found is None:
            raise FileNotFoundError(name)
        return found

    def close(self) -> None:
        """Nothing is open."""
