"""The bytes of an archive, which may lie in one file or be split over several.

They are read at a place, not one after the other, so that threads and processes share nothing.
"""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ProjectError
from ..system.file_calls import READ_AT_ONCE, read_at

_KINDS = r"tar|tar\.gz|tgz|zip"
_NAME = re.compile(rf"(?P<stem>.+?)\.(?P<kind>{_KINDS})(?:\.(?P<number>\d{{3}}))?", re.I | re.S)
_LETTERED_PART = re.compile(rf".+\.(?:{_KINDS})\.a[a-z]+", re.I | re.S)

_OTHER_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".xz", ".zst")  # which are not read

TAKEN = ".tar, .tar.gz, .tgz or .zip"
"""The archives that are read, for messages."""

NUMBER_PARTS = "parts of an archive are read if they are numbered, .000, .001 and so on"
"""What to do about a part that is not."""


class ChangedError(OSError):
    """An archive is no longer what it was when its members were listed."""


class Volume(NamedTuple):
    """One file of an archive, as it was when the archive was opened."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Volumes:
    """The files of an archive, in order; can be pickled.

    Attributes
    ----------
    files
        At least one.
    """

    files: tuple[Volume, ...]

    @classmethod
    def of(cls, path: Path) -> "Volumes":
        """Look at an archive, whose first file is `path`.

        Raises
        ------
        ProjectError
            If it cannot be read, or is not the first of its parts.
        """
        paths = _parts(path)
        files = []
        for each in paths:
            try:
                status = os.stat(each)
            except OSError as error:
                raise ProjectError(f"{each}: cannot be read: {error.strerror}") from error
            if not stat.S_ISREG(status.st_mode):
                raise ProjectError(f"{each}: is not a regular file")
            files.append(Volume(os.path.abspath(each), status.st_size, status.st_mtime_ns))
        return cls(tuple(files))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def identity(self) -> int:
        """A number that is another one if a file has changed: 63 bits of sizes and times."""
        text = repr([(file.size, file.mtime_ns) for file in self.files]).encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1

    def around(self, at: int, size: int) -> tuple["Volumes", int]:
        """Those files that hold some bytes, and where the bytes begin in them."""
        if len(self.files) == 1:
            return self, at
        files: list[Volume] = []
        first = begin = 0
        for file in self.files:
            if begin + file.size <= at:
                first = begin + file.size
            elif begin < at + size or not files:
                files.append(file)
            begin += file.size
        return Volumes(tuple(files)), at - first

    @contextmanager
    def opened(self) -> Iterator["OpenVolumes"]:
        """Open all files; may raise `OSError`, and `ChangedError` if they are others now."""
        with ExitStack() as stack:
            handles = []
            for file in self.files:
                handle = os.open(file.path, READ_AT_ONCE)
                stack.callback(os.close, handle)
                status = os.fstat(handle)
                if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
                    raise ChangedError(f"{file.path} has changed since its members were listed")
                handles.append(handle)
            yield OpenVolumes(self, handles)


class OpenVolumes:
    """An archive to read from."""

    def __init__(self, volumes: Volumes, handles: list[int]) -> None:
        self._handles = handles
        self._sizes = [file.size for file in volumes.files]

    def read(self, at: int, size: int) -> bytes:
        """Bytes from a place on; fewer than wanted only at the end. May raise `OSError`."""
        parts: list[bytes] = []
        for handle, length in zip(self._handles, self._sizes, strict=True):
            while size > 0 and at < length:
                part = read_at(handle, min(size, length - at), at)
                if not part:
                    return b"".join(parts)
                if len(part) == size and not parts:
                    return part
                parts.append(part)
                at += len(part)
                size -= len(part)
            at -= length
        return b"".join(parts)


class SeekableFile(io.RawIOBase):
    """A file for Python's libraries, which read it from where they want.

    `read` gets a place and how many bytes to read there; it returns fewer only at the end.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size, self._at = read, size, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on."""
        data = self._read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Read on from elsewhere."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """Where it is read on."""
        return self._at


def archive_stem(path: Path) -> str | None:
    """The name of the project in an archive, or None if a file is not named as an archive is."""
    found = _NAME.fullmatch(path.name)
    return found["stem"] if found else None


def is_named_zip(path: Path) -> bool:
    """Whether a file is named as a zip archive is."""
    found = _NAME.fullmatch(path.name)
    return found is not None and found["kind"].lower() == "zip"


def is_named_archive(path: Path) -> bool:
    """Whether a file is named as an archive is, also one that is not read."""
    return archive_stem(path) is not None or path.name.lower().endswith(_OTHER_ARCHIVES)


def is_lettered_part(path: Path) -> bool:
    """Whether a file is named as `split` names a part if it is not told to number them."""
    return _LETTERED_PART.fullmatch(path.name) is not None


def is_archive(path: Path) -> bool:
    """Whether there is a file, named as an archive is."""
    return archive_stem(path) is not None and os.path.isfile(path)


def is_later_part(path: Path) -> bool:
    """Whether a file is a part of an archive, but not the first one."""
    return _first_part(path) != path


def _first_part(path: Path) -> Path:
    found = _NAME.fullmatch(path.name)
    if not found or found["number"] is None:
        return path
    whole = path.name[: -len(found["number"])]
    first = [path.with_name(whole + number) for number in ("000", "001")]
    return next((each for each in first if os.path.isfile(each)), path)


def _parts(path: Path) -> list[Path]:
    """The files of an archive; raises `ProjectError` if one in between is missing."""
    found = _NAME.fullmatch(path.name)
    if not found or found["number"] is None:
        return [path]
    if (first := _first_part(path)) != path:
        raise ProjectError(f"{path}: is a part of {first}; name only the first one")
    whole = path.name[: -len(found["number"])]
    there = {
        int(each.name[len(whole) :]): each
        for each in path.parent.iterdir()
        if each.name.startswith(whole) and re.fullmatch(r"\d{3,}", each.name[len(whole) :])
    }
    begin = int(found["number"])
    for number in range(begin, max(there) + 1):
        if number not in there or begin > 1:
            missing = path.with_name(f"{whole}{0 if begin > 1 else number:03}")
            raise ProjectError(f"{path}: is split into parts, of which {missing.name} is missing")
    return [there[number] for number in sorted(there)]
