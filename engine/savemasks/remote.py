"""Files outside of the local disk: addresses such as `s3://bucket/key`, read and written by fsspec.

fsspec, and what it needs for a protocol, is loaded when the first address is used. Credentials are
its affair: an address that has some shows none of them.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import RemoteError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

_ADDRESS = re.compile(
    r"(?P<chain>(?:[a-z0-9+.-]+::)*)(?P<protocol>[a-z][a-z0-9+.-]*)://", re.IGNORECASE
)
_SECRET = re.compile(r"(?<=://)(?:[^/]*|[^/@:]+:(?!\d+/)[^@]*)@")  # a password may have "/"
_secrets: set[str] = set()  # of the addresses that were used
_WEB = {"http", "https"}
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_TRIES = 6
_MOST_AT_ONCE = 1 << 25  # bytes that are in memory together
LARGE = 1 << 24
"""Bytes of a file that is never in memory as a whole."""
_MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_FINAL_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EINVAL}


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
        As fsspec takes it, without "/" at the end, unless it is the root.
    """

    address: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Check that there is a file system for an address; raises `RemoteError`."""
        match = _ADDRESS.match(text)
        assert match
        rest = text[match.end() :]
        url = cls(match[0].lower() + (rest.rstrip("/") or rest[:1]))
        _ = url.fs
        return url

    def __str__(self) -> str:
        return _SECRET.sub("", self.address)

    def __truediv__(self, name: str) -> "Url":
        return Url(f"{self.address}{'' if self.address.endswith('/') else '/'}{name}")

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
        return _opened(self.address)

    @property
    def path(self) -> str:
        """What the file system calls it."""
        return str(self.fs._strip_protocol(self.address))

    @property
    def folder(self) -> Path | None:
        """The same as a path, if it is one of this machine; raises `RemoteError`."""
        return Path(self.path) if _is_local(self.fs) else None

    def read_bytes(self, begin: int | None = None, end: int | None = None) -> bytes:
        """The contents of a file, or those from one offset to another; raises `OSError`."""
        content: bytes = retrying(self.fs.cat_file, self.path, start=begin, end=end)
        return content

    def read_bytes_now(self) -> bytes:
        """The same, if it succeeds at once: to find out whether an address is of use at all."""
        content: bytes = asked(self.fs.cat_file, self.path)
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


def in_groups(sized: Iterable[tuple[T, int]], most: int | None = None) -> Iterator[list[T]]:
    """What may be in memory together, of things with their sizes in bytes; at most so many."""
    group: list[T] = []
    total = 0
    for thing, size in sized:
        if group and (len(group) == most or total + size > _MOST_AT_ONCE):
            yield group
            group, total = [], 0
        group.append(thing)
        total += size
    if group:
        yield group


def kind_of(place: Url) -> str | None:
    """What is there: "file", "directory" or None; raises `OSError`."""
    try:
        return str(retrying(place.fs.info, place.path)["type"])
    except (FileNotFoundError, NotADirectoryError):
        return None


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
    result: T = attempts(asked, function, *args, **options)
    return result


def asked(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a function of a file system once; what the libraries below raise becomes an `OSError`.

    If its text has credentials of an address, they are cut out, and so is what has led to it.
    """
    try:
        return function(*args, **options)
    except _MISTAKES:
        raise
    except Exception as error:
        text = _without_secrets(str(error))
        if isinstance(error, OSError) and text == str(error):
            raise
        kind = type(error).__name__
        reason = text if isinstance(error, OSError) else f"{kind}: {text}"
        failure = OSError(_number_of(error, kind), reason)
        raise failure from (error if text == str(error) else None)


def _number_of(error: Exception, kind: str) -> int:
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if isinstance(error, FileNotFoundError):
        return errno.ENOENT
    return errno.EACCES if isinstance(error, PermissionError) or "Credential" in kind else errno.EIO


def _without_secrets(text: str) -> str:
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "...")
    return text


def explained(error: OSError) -> str:
    """Why a request failed, and what to do about it; as the end of a sentence."""
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return f"{reason}: the credentials that fsspec finds do not allow it"
    return reason


def is_transient(error: BaseException) -> bool:
    """Whether a request that failed so may succeed later."""
    if isinstance(error, _FINAL) or not isinstance(error, OSError):
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
def _opened(address: str) -> "AbstractFileSystem":
    shown = _SECRET.sub("", address)
    if secret := _SECRET.search(address):
        password = secret[0].removesuffix("@").rpartition(":")[2]
        # A password with "/" is cut there by who takes its beginning for a bucket.
        _secrets.update(filter(None, (secret[0], password, secret[0].partition("/")[0])))
    match = _ADDRESS.match(address)
    assert match
    protocol = match["protocol"].lower()
    if match["chain"]:
        raise RemoteError(f"{shown}: addresses with :: before {protocol}:// are not taken")
    if "?" in address and protocol in _WEB:
        shown = shown.partition("?")[0]
        raise RemoteError(f"{shown}?...: has a ?, after which no name of a file can stand")
    extra = _EXTRAS.get(protocol)
    for package in ("fsspec", "tenacity"):  # many packages bring the first one alone
        try:
            import_module(package)
        except ImportError as error:
            problem = f"needs {package}: pip install 'savemasks[{extra or 'remote'}]'"
            raise RemoteError(f"{shown}: an address {problem}") from error
    from fsspec import get_filesystem_class

    try:
        kind = get_filesystem_class(protocol)
        # `url_to_fs` would divide names with "::".
        fs = kind(**kind._get_kwargs_from_urls(address))
    except ImportError as error:
        hint = f"pip install 'savemasks[{extra}]'" if extra else str(error)
        raise RemoteError(f"{shown}: {protocol}:// needs another package: {hint}") from error
    except ValueError as error:
        known = "s3://, gs://, file:// and whatever else fsspec knows"
        raise RemoteError(
            f"{shown}: {protocol}:// is no protocol that fsspec knows; there are {known}"
        ) from error
    return fs
