"""Files outside of the local disk: addresses such as `s3://bucket/key`, read and written by fsspec.

fsspec, and what it needs for a protocol, is loaded when the first address is used. Credentials are
its affair: an address that has some shows none of them.
"""

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

_ADDRESS = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/@]*@")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_TRIES = 6
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_FINAL_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EINVAL}


class RemoteError(OSError):
    """An address cannot be used at all; the text says why and what to do."""


def is_url(text: object) -> bool:
    """Whether it is an address instead of a path."""
    return bool(_ADDRESS.match(str(text)))


@dataclass(frozen=True, slots=True)
class Url:
    """The address of a folder or file; used as a `Path` where it has the same methods.

    As text, it has no credentials. It may be pickled, and then it has them.

    Attributes
    ----------
    address
        As fsspec takes it, without "/" at the end.
    """

    address: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Check that there is a file system for an address; raises `RemoteError`."""
        url = cls(text.rstrip("/") if not text.endswith("://") else text)
        _ = url.fs
        return url

    def __str__(self) -> str:
        return _SECRET.sub("", self.address)

    def __truediv__(self, name: str) -> "Url":
        return Url(f"{self.address.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.address.rpartition("/")[2]

    @property
    def protocol(self) -> str:
        """What stands before "://"."""
        return self.address.partition("://")[0].lower()

    @property
    def fs(self) -> "AbstractFileSystem":
        """The file system, of which a process has one; raises `RemoteError`."""
        return _opened(self.address)[0]

    @property
    def path(self) -> str:
        """What the file system calls it."""
        fs, _ = _opened(self.address)
        return str(fs._strip_protocol(self.address))

    @property
    def folder(self) -> Path | None:
        """The same as a path, if it is one of this machine; raises `RemoteError`."""
        return Path(self.path) if _is_local(self.fs) else None

    def read_bytes(self) -> bytes:
        """The contents of a file; raises `OSError`."""
        content: bytes = retrying(self.fs.cat_file, self.path)
        return content

    def write_bytes(self, content: bytes) -> None:
        """Put a file, whole or not at all; raises `OSError`."""
        put_all(self, {"": content})


def read_all(folder: Url, names: Sequence[str]) -> dict[str, bytes | OSError]:
    """Read files below a folder at once: the contents of each, or why it could not be read."""
    fs, base = folder.fs, folder.path
    paths = {f"{base}/{name}": name for name in names}
    if not paths:
        return {}
    found = retrying(_cat, fs, [*paths])
    return {name: found[path] for path, name in paths.items()}


def put_all(folder: Url, contents: Mapping[str, bytes]) -> None:
    """Put files below a folder at once, each whole or not at all; raises `OSError`.

    The name "" is the folder's own address.
    """
    fs, base = folder.fs, folder.path
    files = {f"{base}/{name}" if name else base: data for name, data in contents.items()}
    if _is_local(fs):
        for path, data in files.items():
            _put_local(path, data)
        return
    retrying(fs.pipe, files)


def retrying(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a function of a file system; a request that fails or is throttled is repeated.

    It waits longer each time, by chance, so that many who were throttled at once do not come back
    at once. What is missing or forbidden fails immediately.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    attempts = Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(_TRIES),
        wait=wait_random_exponential(multiplier=0.2, max=20),
        reraise=True,
    )
    return attempts(function, *args, **options)


def is_transient(error: BaseException) -> bool:
    """Whether a request that failed so may succeed later."""
    if isinstance(error, _FINAL) or not isinstance(error, (OSError, TimeoutError)):
        return False
    return error.errno not in _FINAL_NUMBERS


def _cat(fs: "AbstractFileSystem", paths: list[str]) -> dict[str, bytes | OSError]:
    # `fs.cat` would ask first whether each is there, which is a request more, and s3fs its size.
    reads = getattr(fs, "_cat_file", fs.cat_file)
    alone = {"max_concurrency": 1} if "max_concurrency" in signature(reads).parameters else {}
    contents: list[Any] = fs.cat_ranges(paths, None, None, on_error="return", **alone)
    for each in contents:
        if isinstance(each, BaseException) and (
            is_transient(each) or not isinstance(each, OSError)
        ):
            raise each  # the whole is read again, of which mostly all is well
    return dict(zip(paths, contents, strict=True))


def _put_local(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    unfinished = f"{path}.{os.getpid()}.part"
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise


def _is_local(fs: "AbstractFileSystem") -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


@lru_cache(maxsize=64)
def _opened(address: str) -> tuple["AbstractFileSystem", str]:
    shown = _SECRET.sub("", address)
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        problem = "needs fsspec: pip install 'savemasks[remote]'"
        raise RemoteError(f"{shown}: an address {problem}") from error
    match = _ADDRESS.match(address)
    protocol = match["protocol"].lower() if match else ""
    try:
        fs, path = url_to_fs(address)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        hint = f"pip install 'savemasks[{extra}]'" if extra else str(error)
        raise RemoteError(f"{shown}: {protocol}:// needs another package: {hint}") from error
    except ValueError as error:
        known = "s3://, gs://, file:// and whatever else fsspec knows"
        raise RemoteError(
            f"{shown}: {protocol}:// is no protocol that fsspec knows; there are {known}"
        ) from error
    return fs, path
