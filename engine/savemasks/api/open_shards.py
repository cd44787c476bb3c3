"""Shards that are read from their beginning to their end, on this machine or at an address."""

import errno
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..projects.locations import Location
from ..projects.volumes import SeekableFile
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


def check_end(archive: tarfile.TarFile) -> None:
    """Raise `tarfile.ReadError` if an archive does not end where its last member was found.

    `tarfile` takes a header that is damaged, cut off or missing for the end.
    """
    file = archive.fileobj
    assert file is not None
    file.seek(archive.offset)
    header = file.read(tarfile.BLOCKSIZE)
    if header.strip(b"\0") or len(header) < tarfile.BLOCKSIZE:
        problem = "damaged" if len(header) == tarfile.BLOCKSIZE else "cut off"
        raise tarfile.ReadError(f"{problem} at byte {archive.offset}")


def _opened(place: Location) -> io.BufferedReader:
    if isinstance(place, Path):
        return open(place, "rb")
    return io.BufferedReader(_file_at(place), _AT_ONCE)


def reason_of(error: OSError, place: Location) -> str:
    """Why something could not be read; as the end of a sentence."""
    if isinstance(place, Path):
        return str(error.strerror)
    if isinstance(error, FileNotFoundError):  # whose text is often but the name
        return os.strerror(errno.ENOENT)
    return explained(error)


def _file_at(url: Url) -> SeekableFile:
    """A file at an address, of which no more is in memory than what is read at once."""
    fs, path = url.fs, url.path
    fs.invalidate_cache(fs._parent(path))  # others have written there
    size = int(retrying(fs.info, path)["size"] or 0)

    def read(at: int, wanted: int) -> bytes:
        end = min(at + wanted, size)
        return url.read_bytes(at, end) if at < end else b""

    return SeekableFile(read, size)
