"""Data sets and their items: images paired with annotations, and the names of their masks.

Listing is lazy: the names of a data set are in memory only as long as somebody needs them.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from .archives import ArchivePath, members_of
from .ignored import Ignored, is_hidden, is_picture, pictures_below
from .locations import OpenFolder, Place, open_folder
from .members import Members
from .pairing import (
    ANNOTATION,
    IMAGE,
    LISTED_ANNOTATION,
    OLD_ANNOTATION,
    WHOLE_NAME,
    name_masks,
    pair_files,
    stem_of,
)
from .remote_batches import Batch, batches_at
from .remote_places import RemotePath

Places = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One image and its annotation; names are as the file system has them.

    Attributes
    ----------
    dataset
        Where the data set's folders lie below the output, as "ds0" or "ds0/datasets/child".
    name
        The image's file name.
    image, annotation
        Paths of the two files, None where one is missing. In an archive, they are but names.
    mask_name
        File name of the masks.
    flow
        Number of the flow that it belongs to: items of one flow have the same classes and sinks.
    places
        The sinks that it flows into, each as the number of the flow's inlet and the place of the
        data set's folders below the sink's output. If empty, all inlets, at `dataset`.
    members
        The two files, if they lie in an archive.
    """

    dataset: str
    name: str
    image: str | None
    annotation: str | None
    mask_name: str
    flow: int = 0
    places: Places = ()
    members: Members | None = None

    def __reduce__(self) -> tuple[type["Item"], tuple[object, ...]]:
        """Pickle in a third of the time that a dataclass takes by itself."""
        return Item, _fields_of(self)

    @property
    def stem(self) -> str:
        """What the names of its masks have in common, and no other item of the data set has."""
        return _stem_of_masks(self.mask_name)

    @property
    def reached(self) -> Places:
        """Every inlet that it flows into, and its data set's place there."""
        return self.places or ((0, self.dataset),)


_fields_of = attrgetter(*(field.name for field in fields(Item)))


class Entry(NamedTuple):
    """The files of one item in a data set's folders.

    Attributes
    ----------
    name
        The image's file name; if there is no image, the one that the annotation stands for.
    has_image
        Whether there is an image.
    annotation
        The annotation's file name, or None if there is none.
    mask_name
        File name of the masks.
    """

    name: str
    has_image: bool
    annotation: str | None
    mask_name: str

    @property
    def stem(self) -> str:
        """What the names of all of its masks have in common, as of an `Item`."""
        return _stem_of_masks(self.mask_name)


def _stem_of_masks(mask_name: str) -> str:
    return mask_name.removesuffix(".png")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder with `img` and `ann`; `output` is its place below the output folder.

    Attributes
    ----------
    folder
        Where it is.
    output
        Its place below the output folder; with several sinks, below that of the first one.
    flow, places
        As its items have them.
    """

    folder: Place
    output: str
    flow: int = 0
    places: Places = ()

    @property
    def reached(self) -> Places:
        """Every inlet that its items flow into, and its place there."""
        return self.places or ((0, self.output),)

    def count(self) -> int:
        """Number of items; a folder that cannot be read counts as one failure."""
        try:
            return sum(len(listing.names) for listing in self.batches())
        except OSError:
            return 1

    def items(self) -> Iterator[Item]:
        """All images and annotations, paired or alone, sorted by name."""
        listing = self.listing()
        return map(listing.item, listing)

    def listing(self) -> "Listing":
        """List what the folder holds now; raises OSError."""
        if isinstance(self.folder, RemotePath):
            (batch,) = batches_at(self.folder, None)
            return self._listing_of(batch)
        images, folders = _entries(self.folder / "img")
        notes, _ = _entries(self.folder / "ann")
        return _listing(self, images, notes, folders)

    def batches(self) -> Iterator["Listing"]:
        """List what the folder holds, some of it at a time; at least one batch. Raises OSError.

        All together are what `listing` gives. Only data sets at addresses are listed in several.
        Names in other forms of Unicode than their annotations' are paired within a batch only.
        """
        if isinstance(self.folder, RemotePath):
            yield from map(self._listing_of, batches_at(self.folder))
        else:
            yield self.listing()

    def _listing_of(self, batch: Batch) -> "Listing":
        images, annotations, folders = batch
        listing = _listing(self, images.names[:], annotations.names, folders)
        return replace(listing, listed=(images, annotations))


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of one data set at one moment, sorted by name; takes about 100 bytes per item.

    A file in `img` is an item if it has an annotation or the ending of a picture.

    Attributes
    ----------
    names
        Names of the items.
    flags
        Bits of each item: it has an image; its annotation is named after the whole name, or, as in
        older projects, after the name without its extension; its masks keep the whole name.
    annotations, masks
        The annotation's file name and the mask's name, of the few items for which the flags do not
        tell them: the annotation's name is in another form of Unicode, or both names of the mask
        are another item's.
    ignored
        Files that are no items.
    listed
        The files of `img` and of `ann`, if the data set is at an address.
    """

    dataset: Dataset
    names: list[str] = field(default_factory=list)
    flags: bytearray = field(default_factory=bytearray)
    annotations: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    ignored: Ignored = field(default_factory=Ignored)
    listed: tuple[OpenFolder, OpenFolder] | None = None

    def folders(self) -> tuple[OpenFolder, OpenFolder]:
        """`img` and `ann`, where to look at the files of these items; to be closed."""
        folder = self.dataset.folder
        return self.listed or (open_folder(folder / "img"), open_folder(folder / "ann"))

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, self.names, self.flags)

    def __getitem__(self, number: int) -> Entry:
        return self._entry(self.names[number], self.flags[number])

    def _entry(self, name: str, flags: int) -> Entry:
        annotation = None
        if flags & ANNOTATION:
            annotation = name + ".json"
        elif flags & OLD_ANNOTATION:
            annotation = stem_of(name) + ".json"
        elif flags & LISTED_ANNOTATION:
            annotation = self.annotations[name]
        mask = (name if flags & WHOLE_NAME else stem_of(name)) + ".png"
        if name in self.masks:
            mask = self.masks[name]
        return Entry(name, bool(flags & IMAGE), annotation, mask)

    def item(self, entry: Entry) -> Item:
        """An item with the paths of its files."""
        folder = self.dataset.folder
        return Item(
            dataset=self.dataset.output,
            name=entry.name,
            image=f"{folder}/img/{entry.name}" if entry.has_image else None,
            annotation=entry.annotation and f"{folder}/ann/{entry.annotation}",
            mask_name=entry.mask_name,
            flow=self.dataset.flow,
            places=self.dataset.places,
            members=members_of(folder, entry.name if entry.has_image else None, entry.annotation)
            if isinstance(folder, ArchivePath)
            else None,
        )


def _listing(
    dataset: Dataset, images: list[str], notes: Sequence[str], folders: Sequence[str]
) -> Listing:
    """Make items of the files in `img` and `ann`; there may be pictures in `folders` of `img`."""
    images.sort()
    annotations = {name for name in notes if name.endswith(".json")}
    others = sorted(name for name in notes if not name.endswith(".json"))
    listing = Listing(dataset)
    listing.ignored.annotations.add(others)
    folder = dataset.folder
    if isinstance(folder, Path):
        below = pictures_below(f"{folder}/img", folders)
    else:
        below = filter(is_picture, (folder / "img").below(folders))
    listing.ignored.below.add(below)
    pair_files(images, annotations, listing)
    name_masks(listing)
    return listing


def _entries(folder: Path | ArchivePath) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder; none if there is no such folder.

    Hidden ones such as .DS_Store or ._IMG_1.jpeg are left out.
    """
    files: list[str] = []
    folders: list[str] = []
    if not isinstance(folder, Path):
        files = [name for name in folder.files() if not is_hidden(name)]
        return files, [each.name for each in folder.folders() if not is_hidden(each.name)]
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return files, folders
    with entries:
        for entry in entries:
            if not is_hidden(entry.name):
                (folders if entry.is_dir() else files).append(entry.name)
    return files, sorted(folders)
