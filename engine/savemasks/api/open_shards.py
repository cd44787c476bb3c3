"""Shards that are read from their beginning to their end, on this machine or at an address."""

import errno
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..projects.locations import Location
from ..remote import Url, explained, retrying

_AT_ONCE = 1 << 23  # bytes of a request


@contextmanager
def opened_shard(place: Location) -> Iterator[tarfile.TarFile]:
    """Open a shard; raises `OSError` or `tarfile.TarError`."""
    with (
        _opened(place) as file,
        tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive,
    ):
        yield archive


def _opened(place: Location) -> io.BufferedReader:
    if isinstance(place, Path):
        return open(place, "rb")
    return io.BufferedReader(_FileAtAddress(place), _AT_ONCE)


def reason_of(error: OSError, place: Location) -> str:
    """Why something could not be read; as the end of a sentence."""
    if isinstance(place, Path):
        return str(error.strerror)
    if isinstance(error, FileNotFoundError):  # whose text is often but the name
        return os.strerror(errno.ENOENT)
    return explained(error)


class _FileAtAddress(io.RawIOBase):
    """A file at an address, of which no more is in memory than what is read at once."""

    def __init__(self, url: Url) -> None:
        fs, path = url.fs, url.path
        fs.invalidate_cache(fs._parent(path))  # others have written there
        self._url, self._at = url, 0
        self._size = int(retrying(fs.info, path)["size"] or 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        content = self._url.read_bytes(self._at, end) if self._at < end else b""
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        return self._at
