"""Folders at addresses, listed page by page where a store can be asked so."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ..remote import Url, retrying

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_STAMPS = (
    "ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "updated", "modified",
    "created",
)  # fmt: skip
"""What file systems tell of a file that changes with it, the best first."""


class Found(NamedTuple):
    """A file in a folder that was listed.

    Attributes
    ----------
    name
        Its name in the folder.
    size
        In bytes.
    stamp
        A number of 63 bits that is another one if the file has changed.
    """

    name: str
    size: int
    stamp: int


class Page(NamedTuple):
    """Some of what is in a folder; files and folders each by their names."""

    files: list[Found]
    folders: list[str]


def scan(folder: Url) -> Iterator[Page]:
    """List a folder; files come in the order of their names, and so do folders.

    S3 and Google Cloud Storage are asked page by page, while the last one is used; others give all
    at once. Of a folder that is not there comes nothing. Raises `OSError`.
    """
    fs = folder.fs
    pages = _pages_of(fs)
    if pages is None:
        yield _whole(fs, folder.path)
        return
    from concurrent.futures import ThreadPoolExecutor  # keeps a start quick

    with ThreadPoolExecutor(1) as ahead:
        listed = pages(fs, folder.path)
        waiting = ahead.submit(next, listed, None)
        while (page := waiting.result()) is not None:
            waiting = ahead.submit(next, listed, None)
            yield page


def _pages_of(
    fs: "AbstractFileSystem",
) -> "Callable[[AbstractFileSystem, str], Iterator[Page]] | None":
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else {*fs.protocol}
    if "s3" in protocols and hasattr(fs, "call_s3"):
        return _s3_pages
    return _gcs_pages if "gs" in protocols and hasattr(fs, "call") else None


def _s3_pages(fs: "AbstractFileSystem", path: str) -> Iterator[Page]:
    bucket, key, _ = fs.split_path(path)
    prefix = f"{key}/" if key else ""
    asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", **fs.req_kw}
    while True:
        answer = retrying(fs.call_s3, "list_objects_v2", **asked)
        yield _page(
            prefix,
            [(f["Key"], f["Size"], f["ETag"]) for f in answer.get("Contents", ())],
            [each["Prefix"] for each in answer.get("CommonPrefixes", ())],
        )
        if not answer.get("IsTruncated"):
            return
        asked["ContinuationToken"] = answer["NextContinuationToken"]


def _gcs_pages(fs: "AbstractFileSystem", path: str) -> Iterator[Page]:
    bucket, _, key = path.partition("/")
    prefix = f"{key}/" if key else ""
    asked = {"prefix": prefix, "delimiter": "/", "json_out": True}
    while True:
        answer = retrying(fs.call, "GET", "b/{}/o", bucket, **asked)
        yield _page(
            prefix,
            [(f["name"], int(f["size"]), f["generation"]) for f in answer.get("items", ())],
            answer.get("prefixes", ()),
        )
        if not answer.get("nextPageToken"):
            return
        asked["pageToken"] = answer["nextPageToken"]


def _page(prefix: str, files: Iterable[tuple[str, int, object]], folders: Iterable[str]) -> Page:
    """A page of keys; the key of the folder itself, which some programs put, is left out."""
    at = len(prefix)
    found = [Found(key[at:], size, stamp_of(value)) for key, size, value in files if key[at:]]
    names = (folder[at:].rstrip("/") for folder in folders)
    return Page(found, [*filter(None, names)])


def _whole(fs: "AbstractFileSystem", path: str) -> Page:
    """All that is in a folder; raises `OSError`."""

    def listed() -> list[dict[str, Any]]:
        fs.invalidate_cache(path)
        found: list[dict[str, Any]] = fs.ls(path, detail=True)
        return found

    try:
        entries = retrying(listed)
    except FileNotFoundError:
        return Page([], [])
    files, folders = [], []
    own = path.rstrip("/")
    for entry in entries:
        where = str(entry["name"]).rstrip("/")
        if where.strip("/") == own.strip("/"):
            continue
        name = where.rpartition("/")[2]
        if entry["type"] == "directory":
            folders.append(name)
        else:
            value = next((entry[key] for key in _STAMPS if entry.get(key)), "")
            files.append(Found(name, int(entry["size"] or 0), stamp_of(value)))
    return Page(sorted(files), sorted(folders))


def stamp_of(value: object) -> int:
    """A number of 63 bits for a value that changes with a file, such as an ETag."""
    return int.from_bytes(blake2b(str(value).encode(), digest_size=8).digest()) >> 1
