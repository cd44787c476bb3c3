"""Which annotation belongs to which image of a data set, and how the masks of each are called."""

import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from .ignored import is_picture

if TYPE_CHECKING:
    from .items import Listing

IMAGE, ANNOTATION, OLD_ANNOTATION, WHOLE_NAME, LISTED_ANNOTATION = 1, 2, 4, 8, 16


def mask_names(images: Sequence[str], taken: Set[str] = frozenset()) -> list[str]:
    """File names of the masks of one data set: the image's without its extension, and ".png".

    Where that is not unique, or is taken, the whole image name is kept: a.jpg and a.png give
    a.jpg.png and a.png.png. A name that then meets another one's is kept whole as well, until all
    differ from each other. A whole name is kept also if it is taken.
    """
    names = [stem_of(image) + ".png" for image in images]
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


def name_masks(listing: "Listing") -> None:
    """Flag the items whose masks keep the whole name.

    Annotations without image get what the names of the images leave them, so that an image whose
    annotation is left over does not rename another one's masks.
    """
    names, flags = listing.names, listing.flags
    alone = [i for i, found in enumerate(flags) if not found & IMAGE]
    if not alone:
        _flag_whole_names(listing, range(len(names)))
        return
    images = [i for i, found in enumerate(flags) if found & IMAGE]
    taken = set(_flag_whole_names(listing, images))
    masks = set(_flag_whole_names(listing, alone, taken))
    for i in alone:
        mask = unused = names[i] + ".png"
        if flags[i] & WHOLE_NAME and mask in taken:
            while unused in taken or unused in masks:
                unused = unused.removesuffix(".png") + ".json.png"
            listing.masks[names[i]] = unused
            masks.add(unused)


def _flag_whole_names(
    listing: "Listing", numbers: Sequence[int], taken: Set[str] = frozenset()
) -> list[str]:
    """Flag those of some items whose masks keep the whole name -> the names of their masks."""
    masks = mask_names([listing.names[i] for i in numbers], taken)
    for i, mask in zip(numbers, masks, strict=True):
        if mask == listing.names[i] + ".png":
            listing.flags[i] |= WHOLE_NAME
    return masks


def stem_of(name: str) -> str:
    """A file name without its extension, by the rules of `os.path.splitext`."""
    stem = name.rpartition(".")[0]
    return stem if stem.strip(".") else name


def pair_files(images: list[str], annotations: set[str], listing: "Listing") -> None:
    """Pair images with annotations: fill the names and flags of a listing; empties `annotations`.

    A file that is no picture by its name has the annotation that carries its whole name, or one of
    the old kind that no picture can have: else a text file would share that of a picture.
    """
    flags = bytearray(len(images))
    for i, name in enumerate(images):
        if name + ".json" in annotations:
            flags[i] = IMAGE | ANNOTATION
        elif is_picture(name):
            is_old = stem_of(name) + ".json" in annotations
            flags[i] = IMAGE | OLD_ANNOTATION if is_old else IMAGE
    # An annotation of the old kind may be that of several images, so none is taken out before.
    for name, found in zip(images, flags, strict=True):
        if found & ANNOTATION:
            annotations.discard(name + ".json")
        elif found & OLD_ANNOTATION:
            annotations.discard(stem_of(name) + ".json")
    if annotations:
        _pair_others(images, flags, annotations, listing)
    if not all(flags):
        listing.ignored.images.add(n for n, f in zip(images, flags, strict=True) if not f)
        images = [n for n, f in zip(images, flags, strict=True) if f]
        flags = bytearray(filter(None, flags))
    if annotations:
        names = images + [annotation.removesuffix(".json") for annotation in annotations]
        flags += bytes([ANNOTATION]) * len(annotations)
        order = sorted(range(len(names)), key=names.__getitem__)
        images, flags = [names[i] for i in order], bytearray(flags[i] for i in order)
    listing.names[:] = images
    listing.flags[:] = flags


def _pair_others(
    images: Sequence[str], flags: bytearray, annotations: set[str], listing: "Listing"
) -> None:
    """Pair the images that are still alone: names in another form of Unicode, or of no picture.

    macOS takes names apart into letters and accents, and other systems do not. Only names that are
    not ASCII are looked at, and only of annotations that belong to no image yet.
    """
    forms = {_form(a): a for a in sorted(annotations) if not a.isascii()}
    used: set[str] = set()
    for i, name in enumerate(images):
        if flags[i] & (ANNOTATION | OLD_ANNOTATION):
            continue
        old, found = stem_of(name) + ".json", None
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
        flags[i] |= IMAGE | (OLD_ANNOTATION if found == old else LISTED_ANNOTATION)
        if found != old:
            listing.annotations[name] = found
    annotations -= used


def _may_be_old(name: str, images: Sequence[str]) -> bool:
    """Whether a file that is no picture by its name may have an annotation of the old kind.

    Not a.jpg.bak, for its annotation would be that of a.jpg, nor a.txt beside a.jpg. `images` are
    sorted.
    """
    stem = stem_of(name)
    if is_picture(stem):
        return False
    for i in range(bisect_left(images, stem + "."), len(images)):
        if not images[i].startswith(stem + "."):
            break
        if stem_of(images[i]) == stem and is_picture(images[i]):
            return False
    return True


def _form(name: str) -> str:
    """The same for all names that differ only in Unicode's form."""
    return unicodedata.normalize("NFC", name)
