"""Data sets and their items: images paired with annotations, and the names of their masks.

Listing is lazy: the names of a data set are in memory only as long as somebody needs them.
"""

import os
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from .archives import Place, members_of
from .ignored import Ignored, is_hidden, is_picture, pictures_below
from .members import Members

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
            return len(self.listing().names)
        except OSError:
            return 1

    def items(self) -> Iterator[Item]:
        """All images and annotations, paired or alone, sorted by name."""
        listing = self.listing()
        return map(listing.item, listing)

    def listing(self) -> "Listing":
        """List what the folder holds now; raises OSError."""
        images, folders = _entries(self.folder / "img")
        notes, _ = _entries(self.folder / "ann")
        images.sort()
        annotations = {name for name in notes if name.endswith(".json")}
        others = sorted(name for name in notes if not name.endswith(".json"))
        notes.clear()
        listing = Listing(self)
        listing.ignored.annotations.add(others)
        folder = self.folder
        if isinstance(folder, Path):
            below = pictures_below(f"{folder}/img", folders)
        else:
            below = filter(is_picture, (folder / "img").below(folders))
        listing.ignored.below.add(below)
        _pair(images, annotations, listing)
        _name_masks(listing)
        return listing


_IMAGE, _ANNOTATION, _OLD_ANNOTATION, _WHOLE_NAME, _LISTED_ANNOTATION = 1, 2, 4, 8, 16


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
    """

    dataset: Dataset
    names: list[str] = field(default_factory=list)
    flags: bytearray = field(default_factory=bytearray)
    annotations: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    ignored: Ignored = field(default_factory=Ignored)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, self.names, self.flags)

    def __getitem__(self, number: int) -> Entry:
        return self._entry(self.names[number], self.flags[number])

    def _entry(self, name: str, flags: int) -> Entry:
        annotation = None
        if flags & _ANNOTATION:
            annotation = name + ".json"
        elif flags & _OLD_ANNOTATION:
            annotation = _stem(name) + ".json"
        elif flags & _LISTED_ANNOTATION:
            annotation = self.annotations[name]
        mask = (name if flags & _WHOLE_NAME else _stem(name)) + ".png"
        if name in self.masks:
            mask = self.masks[name]
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
            flow=self.dataset.flow,
            places=self.dataset.places,
            members=None
            if isinstance(folder, Path)
            else members_of(folder, entry.name if entry.has_image else None, entry.annotation),
        )


def mask_names(images: Sequence[str], taken: Set[str] = frozenset()) -> list[str]:
    """File names of the masks of one data set: the image's without its extension, and ".png".

    Where that is not unique, or is taken, the whole image name is kept: a.jpg and a.png give
    a.jpg.png and a.png.png. A name that then meets another one's is kept whole as well, until all
    differ from each other. A whole name is kept also if it is taken.
    """
    names = [_stem(image) + ".png" for image in images]
    while len(set(names)) < len(names) or not taken.isdisjoint(names):
        counts = Counter(names)
        before = names
        names = [
            image + ".png" if counts[name] > 1 or name in taken else name
            for image, name in zip(images, names, strict=True)
        ]
        if names == before:
            break
    return names


def _name_masks(listing: Listing) -> None:
    """Flag the items whose masks keep the whole name.

    Annotations without image get what the names of the images leave them, so that an image whose
    annotation is left over does not rename another one's masks.
    """
    names, flags = listing.names, listing.flags
    alone = [i for i, found in enumerate(flags) if not found & _IMAGE]
    if not alone:
        _flag_whole_names(listing, range(len(names)))
        return
    images = [i for i, found in enumerate(flags) if found & _IMAGE]
    taken = set(_flag_whole_names(listing, images))
    masks = set(_flag_whole_names(listing, alone, taken))
    for i in alone:
        mask = unused = names[i] + ".png"
        if flags[i] & _WHOLE_NAME and mask in taken:
            while unused in taken or unused in masks:
                unused = unused.removesuffix(".png") + ".json.png"
            listing.masks[names[i]] = unused
            masks.add(unused)


def _flag_whole_names(
    listing: Listing, numbers: Sequence[int], taken: Set[str] = frozenset()
) -> list[str]:
    """Flag those of some items whose masks keep the whole name -> the names of their masks."""
    masks = mask_names([listing.names[i] for i in numbers], taken)
    for i, mask in zip(numbers, masks, strict=True):
        if mask == listing.names[i] + ".png":
            listing.flags[i] |= _WHOLE_NAME
    return masks


def _stem(name: str) -> str:
    """A file name without its extension, by the rules of `os.path.splitext`."""
    stem = name.rpartition(".")[0]
    return stem if stem.strip(".") else name


def _entries(folder: Place) -> tuple[list[str], list[str]]:
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


def _pair(images: list[str], annotations: set[str], listing: Listing) -> None:
    """Pair images with annotations: fill the names and flags of a listing; empties `annotations`.

    A file that is no picture by its name has the annotation that carries its whole name, or one of
    the old kind that no picture can have: else a text file would share that of a picture.
    """
    flags = bytearray(len(images))
    for i, name in enumerate(images):
        if name + ".json" in annotations:
            flags[i] = _IMAGE | _ANNOTATION
        elif is_picture(name):
            is_old = _stem(name) + ".json" in annotations
            flags[i] = _IMAGE | _OLD_ANNOTATION if is_old else _IMAGE
    # An annotation of the old kind may be that of several images, so none is taken out before.
    for name, found in zip(images, flags, strict=True):
        if found & _ANNOTATION:
            annotations.discard(name + ".json")
        elif found & _OLD_ANNOTATION:
            annotations.discard(_stem(name) + ".json")
    if annotations:
        _pair_others(images, flags, annotations, listing)
    if not all(flags):
        listing.ignored.images.add(n for n, f in zip(images, flags, strict=True) if not f)
        images = [n for n, f in zip(images, flags, strict=True) if f]
        flags = bytearray(filter(None, flags))
    if annotations:
        names = images + [annotation.removesuffix(".json") for annotation in annotations]
        flags += bytes([_ANNOTATION]) * len(annotations)
        order = sorted(range(len(names)), key=names.__getitem__)
        images, flags = [names[i] for i in order], bytearray(flags[i] for i in order)
    listing.names[:] = images
    listing.flags[:] = flags


def _pair_others(
    images: Sequence[str], flags: bytearray, annotations: set[str], listing: Listing
) -> None:
    """Pair the images that are still alone: names in another form of Unicode, or of no picture.

    macOS takes names apart into letters and accents, and other systems do not. Only names that are
    not ASCII are looked at, and only of annotations that belong to no image yet.
    """
    forms = {_form(a): a for a in sorted(annotations) if not a.isascii()}
    used: set[str] = set()
    for i, name in enumerate(images):
        if flags[i] & (_ANNOTATION | _OLD_ANNOTATION):
            continue
        old, found = _stem(name) + ".json", None
        if not name.isascii():
            found = forms.get(_form(name + ".json"))
            found = None if found in used else found
        if found is None and (flags[i] or _may_be_old(name, images)):
            found = old if old in annotations else None
            if found is None and not name.isascii():
                found = forms.get(_form(old))
        if found is None:
            continue
        used.add(found)
        flags[i] |= _IMAGE | (_OLD_ANNOTATION if found == old else _LISTED_ANNOTATION)
        if found != old:
            listing.annotations[name] = found
    annotations -= used


def _may_be_old(name: str, images: Sequence[str]) -> bool:
    """Whether a file that is no picture by its name may have an annotation of the old kind.

    Not a.jpg.bak, for its annotation would be that of a.jpg, nor a.txt beside a.jpg. `images` are
    sorted.
    """
    stem = _stem(name)
    if is_picture(stem):
        return False
    for i in range(bisect_left(images, stem + "."), len(images)):
        if not images[i].startswith(stem + "."):
            break
        if _stem(images[i]) == stem and is_picture(images[i]):
            return False
    return True


def _form(name: str) -> str:
    """The same for all names that differ only in Unicode's form."""
    return unicodedata.normalize("NFC", name)
