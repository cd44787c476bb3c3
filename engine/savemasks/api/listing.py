"""Projects on disk for programs that read them item by item."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import index
from pathlib import Path
from typing import Any, overload

from ..errors import AnnotationError, FolderError, ImageError, ProjectError
from ..projects.items import Entry, Listing
from ..projects.locations import location_of, paths_of
from ..projects.members import MemberError, Members, read_member
from ..projects.supervisely import Project
from ..remote import Url


@dataclass(frozen=True, slots=True)
class ProjectItem:
    """One image of a project with its annotation; small, and can be pickled.

    Attributes
    ----------
    name
        The image's file name; if there is no image, the one that the annotation stands for.
    dataset
        Its data set, as "ds0" or, nested, "ds0/datasets/child".
    image
        Path of the image, None if there is none. In an archive it is but a name, with which
        messages begin; `image_bytes` reads the image wherever it is.
    annotation_path
        The same of the annotation.

    Examples
    --------
    >>> item = savemasks.open_project(project)[0]
    >>> item.dataset, item.name, item.annotation()[:1]
    ('market', 'bare_table.jpg', b'{')
    """

    name: str
    dataset: str
    image: Path | None
    annotation_path: Path | None
    _members: Members | None = None

    def annotation(self) -> bytes:
        """Read the annotation; every call reads the file anew.

        Raises
        ------
        AnnotationError
            If there is none, or it cannot be read.
        """
        if self.annotation_path is None:
            raise AnnotationError("has no annotation", file=str(self.image))
        if self._members and self._members.annotation:
            try:
                return read_member(self._members.annotation)
            except MemberError as error:
                raise AnnotationError(str(error), file=str(self.annotation_path)) from error
        try:
            return self.annotation_path.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise AnnotationError(
                f"cannot be read: {reason}", file=str(self.annotation_path)
            ) from error

    def image_bytes(self) -> bytes:
        """Read the file of the image, also from an archive; every call reads it anew.

        Raises
        ------
        ImageError
            If there is none, or it cannot be read.
        """
        if self.image is None:
            raise ImageError("has no image", file=str(self.annotation_path))
        try:
            if self._members and self._members.image:
                return read_member(self._members.image)
            return self.image.read_bytes()
        except MemberError as error:
            raise ImageError(str(error), file=str(self.image)) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise ImageError(f"cannot be read: {reason}", file=str(self.image)) from error


class ProjectItems(Sequence[ProjectItem]):
    """The items of a project, in the order of its data sets and names.

    The folders are listed once, by `open_project`: later changes are not seen. About 100 bytes are
    kept for an item; its paths are made, and its files read, when they are asked for. It can be
    pickled, so that it can be part of a data set that is sent to other processes.

    Attributes
    ----------
    meta
        The project's meta.json as it parses.
    datasets
        Names of the data sets, parents before children.

    Examples
    --------
    >>> items = savemasks.open_project(project)
    >>> len(items), items.datasets
    (6, ('market', 'market/datasets/closeups'))
    >>> [c["title"] for c in items.meta["classes"]]
    ['kiwi', 'lemon']
    """

    __slots__ = ("_ends", "_listings", "datasets", "meta")

    def __init__(self, meta: dict[str, Any], listings: Sequence[Listing]) -> None:
        self.meta = meta
        self.datasets = tuple(listing.dataset.output for listing in listings)
        self._listings = tuple(listings)
        self._ends = tuple(accumulate(len(listing.names) for listing in listings))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, number: int) -> ProjectItem: ...
    @overload
    def __getitem__(self, number: slice) -> list[ProjectItem]: ...
    def __getitem__(self, number: int | slice) -> ProjectItem | list[ProjectItem]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        at = index(number)
        at += len(self) if at < 0 else 0
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self)} items, but none of number {number}")
        which = bisect_right(self._ends, at)
        listing = self._listings[which]
        return _item(listing, listing[at - (self._ends[which - 1] if which else 0)])

    def __iter__(self) -> Iterator[ProjectItem]:
        for listing in self._listings:
            for entry in listing:
                yield _item(listing, entry)

    def __repr__(self) -> str:
        return f"<{len(self)} items of {len(self.datasets)} data sets>"


def open_project(path: str | os.PathLike[str]) -> ProjectItems:
    """List the items of a Supervisely project, also those of nested data sets.

    Parameters
    ----------
    path
        The project's folder, which has a meta.json, or its archive (.tar, .tar.gz, .zip). What a
        `.tar.gz` is unpacked to is removed when the items are no longer used.

    Returns
    -------
    ProjectItems
        A sequence: it can be iterated over, counted with `len`, and indexed.

    Raises
    ------
    ProjectError
        If the folder is no project.
    FolderError
        If a data set cannot be listed.

    Examples
    --------
    >>> import savemasks
    >>> items = savemasks.open_project(project)
    >>> painter.labels(items[0].annotation()).shape
    (240, 320)
    >>> sum(item.image is not None for item in items)
    6
    """
    if not isinstance(path, str | os.PathLike | Url):
        raise TypeError(f"path must be a str or a path, not {type(path).__name__}")
    place = location_of(path, "path")
    if "\0" in str(place):
        raise ProjectError(f"{str(place)!r}: no folder has such a name")
    (folder,) = paths_of([place], "open_project")
    project = Project.open(folder)
    listings = []
    for dataset in project.datasets():
        try:
            listings.append(dataset.listing())
        except OSError as error:
            raise FolderError(
                f"cannot be listed: {error.strerror}", file=str(dataset.folder)
            ) from error
    return ProjectItems(project.meta, listings)


def _item(listing: Listing, entry: Entry) -> ProjectItem:
    found = listing.item(entry)
    return ProjectItem(
        name=found.name,
        dataset=found.dataset,
        image=None if found.image is None else Path(found.image),
        annotation_path=None if found.annotation is None else Path(found.annotation),
        _members=found.members,
    )
