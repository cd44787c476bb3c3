"""A data set in a bucket, batch by batch: images and annotations of the same items together.

Both folders are listed once, side by side, in the order of names. A batch ends at a *border*: what
is less than it, in both folders, is in the batch, and nothing that belongs together is parted. All
files that may belong together have the same *head*, the text before the first "." of a name: a.jpg,
a.jpg.json, a.json and a.png.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from .remote_listing import Page
from .remote_places import RemoteFolder, RemotePath

_BATCH = 1 << 18  # files of a folder; about 100 bytes each


class Batch(NamedTuple):
    """Files of both folders of a data set, and the folders in `img`, which the last batch has."""

    images: RemoteFolder
    annotations: RemoteFolder
    folders: list[str]


class _Stream:
    """A folder that is being listed.

    Attributes
    ----------
    waiting
        Files that are in no batch yet.
    folders
        The folders so far.
    reached
        What is less is listed; None if all is.
    """

    def __init__(self, place: RemotePath) -> None:
        self.waiting = RemoteFolder()
        self.folders: list[str] = []
        self.reached: str | None = ""
        self._pages = place.pages()

    def read(self) -> None:
        """Read a page; raises `OSError`."""
        page: Page | None = next(self._pages, None)
        if page is None:
            self.reached = None
            return
        self.waiting.add(page.files)
        self.folders += page.folders
        if page.files:
            self.reached = page.files[-1].name


def batches_at(dataset: RemotePath, size: int | None = _BATCH) -> Iterator[Batch]:
    """List a data set in batches of at least so many files of a folder; None for all at once.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    images, annotations = _Stream(dataset / "img"), _Stream(dataset / "ann")
    is_head_of_item = lru_cache(64)(lambda head: _is_item(dataset, head))
    wanted = size
    while (reached := _read_next(images, annotations)) is not None:
        if wanted is None or _waiting(images, annotations) < wanted:
            continue
        assert size is not None
        border = _head(reached)
        is_safe = not any(map(is_head_of_item, heads_within(border)))
        if is_safe and min(_first(images, border), _first(annotations, border)) < border:
            taken = images.waiting.take_before(border), annotations.waiting.take_before(border)
            yield Batch(*taken, [])
            wanted = size
        else:
            wanted = _waiting(images, annotations) + max(1, size // 16)
    yield Batch(
        images.waiting.take_before(None), annotations.waiting.take_before(None), images.folders
    )


def _read_next(*streams: _Stream) -> str | None:
    """Read on in the folder that is behind -> the name up to which both are read; None if all."""
    behind = min((s for s in streams if s.reached is not None), key=_reached, default=None)
    if behind:
        behind.read()
    return min((s.reached for s in streams if s.reached is not None), default=None)


def _reached(stream: _Stream) -> str:
    return stream.reached or ""


def _waiting(*streams: _Stream) -> int:
    return max(len(stream.waiting.names) for stream in streams)


def _first(stream: _Stream, border: str) -> str:
    return stream.waiting.names[0] if stream.waiting.names else border


def _head(name: str) -> str:
    return name.partition(".")[0]


def heads_within(border: str) -> list[str]:
    """The heads of which files may lie on both sides of a border: a, for a-1.

    For a, a-1.jpg and a.jpg are in this order, as are, of annotations, a-1.jpg.json and a.json.
    """
    return [border[:i] for i, c in enumerate(border) if i and c < "."]


def _is_item(dataset: RemotePath, head: str) -> bool:
    """Whether there is an item whose whole name is a head."""
    return (dataset / "img" / head).is_there() or (dataset / "ann" / f"{head}.json").is_there()
