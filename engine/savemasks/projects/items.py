"""Data sets and their items: images paired with annotations, and the names of their masks.

Listing is lazy: the names of a data set are in memory only as long as somebody needs them.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


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
        Paths of the two files, None where one is missing.
    mask_name
        File name of the masks.
    project
        Number of its project in the run.
    """

    dataset: str
    name: str
    image: str | None
    annotation: str | None
    mask_name: str
    project: int = 0


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


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder with `img` and `ann`; `output` is its place below the output folder."""

    folder: Path
    output: str
    project: int = 0

    def count(self) -> int:
        """Number of items; a folder that cannot be read counts as one failure."""
        try:
            return len(self.listing().names)
        except OSError:
            return 1

    def items(self) -> Iterator[Item]:
        """All images and annotations, paired or alone, sorted by name."""
        listing = self.listing()
        return map(listing.item, listing)

    def listing(self) -> "Listing":
        """List what the folder holds now; raises OSError."""
        images = sorted(_files(self.folder / "img"))
        annotations = {name for name in _files(self.folder / "ann") if name.endswith(".json")}
        names, flags = _pair(images, annotations)
        _flag_whole_names(names, flags)
        return Listing(self, names, flags)


_IMAGE, _ANNOTATION, _OLD_ANNOTATION, _WHOLE_NAME = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of one data set at one moment, sorted by name; takes about 100 bytes per item.

    Attributes
    ----------
    names
        Names of the items.
    flags
        Bits of each item: it has an image; its annotation is named after the whole name, or, as in
        older projects, after the name without its extension; its masks keep the whole name.
    """

    dataset: Dataset
    names: list[str]
    flags: bytearray

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, self.names, self.flags)

    def __getitem__(self, number: int) -> Entry:
        return self._entry(self.names[number], self.flags[number])

    @staticmethod
    def _entry(name: str, flags: int) -> Entry:
        annotation = None
        if flags & _ANNOTATION:
            annotation = name + ".json"
        elif flags & _OLD_ANNOTATION:
            annotation = _stem(name) + ".json"
        mask = (name if flags & _WHOLE_NAME else _stem(name)) + ".png"
        return Entry(name, bool(flags & _IMAGE), annotation, mask)

    def item(self, entry: Entry) -> Item:
        """An item with the paths of its files."""
        folder = self.dataset.folder
        return Item(
            dataset=self.dataset.output,
            name=entry.name,
            image=f"{folder}/img/{entry.name}" if entry.has_image else None,
            annotation=entry.annotation and f"{folder}/ann/{entry.annotation}",
            mask_name=entry.mask_name,
            project=self.dataset.project,
        )


def mask_names(images: Sequence[str]) -> list[str]:
    """File names of the masks of one data set: the image's without its extension, and ".png".

    Where that is not unique the whole image name is kept: a.jpg and a.png give a.jpg.png and
    a.png.png. A name that then meets another one's is kept whole as well, until all differ.
    """
    names = [_stem(image) + ".png" for image in images]
    while len(set(names)) < len(names):
        counts = Counter(names)
        names = [
            image + ".png" if counts[name] > 1 else name
            for image, name in zip(images, names, strict=True)
        ]
    return names


def _flag_whole_names(names: Sequence[str], flags: bytearray) -> None:
    """Flag the items whose masks keep the whole name."""
    for i, (name, mask) in enumerate(zip(names, mask_names(names), strict=True)):
        if mask == name + ".png":
            flags[i] |= _WHOLE_NAME


def _stem(name: str) -> str:
    """A file name without its extension, by the rules of `os.path.splitext`."""
    stem = name.rpartition(".")[0]
    return stem if stem.strip(".") else name


def _files(folder: Path) -> list[str]:
    """Names of the files in a folder; none if there is no such folder.

    Hidden files such as .DS_Store or ._IMG_1.jpeg are left out, which begin with one dot.
    """
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return []
    with entries:
        return [
            entry.name
            for entry in entries
            if (entry.name[0] != "." or entry.name[:2] == "..") and not entry.is_dir()
        ]


def _pair(images: list[str], annotations: set[str]) -> tuple[list[str], bytearray]:
    """Pair images with annotations -> sorted names and their flags; empties `annotations`."""
    flags = bytearray(len(images))
    for i, name in enumerate(images):
        if name + ".json" in annotations:
            flags[i] = _IMAGE | _ANNOTATION
        elif _stem(name) + ".json" in annotations:
            flags[i] = _IMAGE | _OLD_ANNOTATION
        else:
            flags[i] = _IMAGE
    # An annotation of the old kind may be that of several images, so none is taken out before.
    for name, found in zip(images, flags, strict=True):
        if found & _ANNOTATION:
            annotations.discard(name + ".json")
        elif found & _OLD_ANNOTATION:
            annotations.discard(_stem(name) + ".json")
    if not annotations:
        return images, flags
    names = images + [annotation.removesuffix(".json") for annotation in annotations]
    flags += bytes([_ANNOTATION]) * len(annotations)
    order = sorted(range(len(names)), key=names.__getitem__)
    return [names[i] for i in order], bytearray(flags[i] for i in order)
