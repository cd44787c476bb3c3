"""What a gallery makes of an item: a thumbnail, a label map, an original that browsers show."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

import numpy as np
import pyvips

from ..errors import SavemasksError, printable
from ..pictures.original import Original
from . import thumbnails, tiles
from .contents import Contents, Entry, ItemFiles
from .label_pictures import (
    UNREADABLE,
    LabelPicture,
    Labels,
    LabelSource,
    is_large,
    label_source,
)
from .site import path_of_item, put_labels
from .thumbnails import Pixels

_UNDECODABLE = (OSError, SavemasksError, pyvips.Error)


class Has(IntFlag):
    """What there is of an item; gallery.js knows the same numbers."""

    THUMBNAIL = 1
    LABELS = 2
    LINK = 4
    PREVIEW = 8
    TILES = 16
    LABEL_TILES = 32
    BROKEN = 64
    FAILED = 128


@dataclass(slots=True)
class Made:
    """What became of an item.

    Attributes
    ----------
    has
        What there is of it.
    height, width
        Of its label map, or else of its original; 0 if there is neither.
    counts
        As those of its entry; from the label map if that has none.
    problem
        What is wrong with it, or None.
    """

    has: Has
    height: int = 0
    width: int = 0
    counts: list[tuple[int, int, int]] | None = None
    problem: str | None = None


class Maker:
    """Makes what a gallery shows of items. Threads may share it, and processes have copies."""

    def __init__(self, contents: Contents, folder: Path) -> None:
        """Prepare to make what is shown of a result, below the folder of a gallery."""
        self._folder = folder
        settings = contents.settings
        self._pages_have_originals = bool(settings and settings.human_layout == "side_by_side")
        self.source: LabelSource = label_source(contents)
        colors = [each.color for each in contents.classes]
        self._colors = thumbnails.color_table(self.source.table, colors)
        _prepare_libvips()

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        _prepare_libvips()

    def make_all(self, items: Sequence[tuple[int, Entry]]) -> list[Made]:
        """Make the files of some items, as `make` does."""
        return [self.make(*each) for each in items]

    def make(self, number: int, entry: Entry) -> Made:
        """Make the files of an item; raises `OSError` if one cannot be written."""
        made = Made(Has(0), counts=entry.counts, problem=entry.problem)
        if entry.problem is not None:
            made.has |= Has.FAILED
        if not entry.files.names:
            return made
        path = path_of_item(self._folder, number)
        labels = self._labels(made, entry.files, path)
        original = self._original(made, entry.files, path, labels)
        if original is not None or labels is not None:
            small = thumbnails.thumbnail(original, labels, self._colors)
            with open(f"{path}.jpg", "wb") as file:
                file.write(thumbnails.encode(small))
            made.has |= Has.THUMBNAIL
        return made

    def _labels(self, made: Made, files: ItemFiles, path: str) -> Labels | None:
        """Write the label map; a large one as tiles, of which the smallest level is returned."""
        try:
            found = self.source.read(files)
            if found is None:
                return None
            if not isinstance(found, LabelPicture):
                folder = Path(f"{path}-labels")
                size, values = tiles.label_tiles(found, folder, self._put_labels)
                made.height, made.width = size
                made.has |= Has.LABEL_TILES
                return values
        except UNREADABLE as error:
            _note(made, "the mask", error)
            return None
        made.height, made.width = found.values.shape
        self._put_labels(path, found.png)
        made.has |= Has.LABELS
        if made.counts is None:
            made.counts = self._counted(found.values)
        return found.values

    def _put_labels(self, path: str, png: bytes) -> None:
        put_labels(self._folder, path, png)

    def _counted(self, labels: Labels) -> list[tuple[int, int, int]]:
        """Pixels of every class; how many objects there are is not known."""
        pixels = np.bincount(labels.reshape(-1)).tolist()
        return [
            (self.source.table[value][0], 0, count)
            for value, count in enumerate(pixels)
            if count and value in self.source.table
        ]

    def _original(
        self, made: Made, files: ItemFiles, path: str, labels: Labels | None
    ) -> Pixels | None:
        name = files.find("img")
        if name is None:
            return self._page(made, files, path, has_labels=labels is not None)
        try:
            content = files.read(name)
            small = thumbnails.small_original(content)
            if labels is None:
                made.height, made.width = Original(content).size
            if is_large(made.height, made.width):
                folder = Path(f"{path}-original")
                tiles.original_tiles(files.path(name) or content, folder)
                made.has |= Has.TILES
            elif files.path(name) is not None and thumbnails.is_shown_by_browsers(content[:16]):
                made.has |= Has.LINK
            else:
                _put_preview(made, path, thumbnails.preview(content, made.height * made.width))
        except _UNDECODABLE as error:
            _note(made, "the picture", error)
            return None
        return small

    def _page(self, made: Made, files: ItemFiles, path: str, *, has_labels: bool) -> Pixels | None:
        """Where originals are not copied, the page for reviewers has one at its left."""
        name = files.find("masks_human") or files.find("visualize")
        if name is None or (has_labels and not self._pages_have_originals):
            return None
        try:
            image = pyvips.Image.new_from_buffer(files.read(name), "", fail_on="error")
            if has_labels:
                image = image.crop(0, 0, image.width // 2, image.height)
            else:
                made.height, made.width = image.height, image.width
            content = image.write_to_buffer(".png", compression=1)
            _put_preview(made, path, thumbnails.preview(content, image.width * image.height))
            return thumbnails.small_original(content)
        except _UNDECODABLE as error:
            _note(made, "the page", error)
            return None


def _prepare_libvips() -> None:
    """No picture comes twice, and others have their own threads."""
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)


def _put_preview(made: Made, path: str, content: bytes) -> None:
    Path(f"{path}-original.jpg").write_bytes(content)
    made.has |= Has.PREVIEW


def _note(made: Made, what: str, error: Exception) -> None:
    """Note why something of an item is not shown."""
    made.has |= Has.BROKEN
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    elif isinstance(error, pyvips.Error):
        text = (error.message.strip().splitlines() or ["damaged"])[-1]  # others are older
    shown = f"{what} cannot be shown: {printable(text)}"
    made.problem = shown if made.problem is None else f"{made.problem}; {shown}"
