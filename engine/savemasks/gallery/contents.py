"""What there is in a result: its classes, and its items with their files, also from archives."""

import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ..errors import ConfigError, OutputError, ProjectError, printable
from ..layers.auto_colors import ClassColor, parse_color, resolve_colors
from ..layers.legend import legend
from ..layers.palettes import Palettes, palettes_of
from ..layers.save import Save
from ..layers.save_masks import SaveMasks, Settings
from ..line.counting_classes import counted_titles
from ..line.job import Extent
from ..projects.classes import ClassTemplate, check_meta, class_templates, parse_meta
from ..projects.locations import Location
from ..remote import Url
from ..results.in_chunks.chunked_output import find_chunked, is_chunked
from ..results.output import is_begun, no_journal
from .item_sources import FoundItem, ItemSource

_META = "meta.json"
_DEPTH = 3  # folders of results may be nested
# Colours of classes that have none anywhere.
_SPARE = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45")


@dataclass(frozen=True, slots=True)
class ItemFiles:
    """The files of one item, in a data set's folder or in a shard.

    Attributes
    ----------
    names
        Their names below the data set's folder.
    folder
        That folder, as a path or an address; None if the result is packed.
    shard, extent
        Where the item's sample lies, if it is packed and there.
    """

    names: tuple[str, ...]
    folder: str | Url | None = None
    shard: Location | None = None
    extent: Extent | None = None

    def find(self, kind: str) -> str | None:
        """Name of the file in a folder such as "img"; None without one."""
        return next((name for name in self.names if name.startswith(f"{kind}/")), None)

    def path(self, name: str) -> str | None:
        """Path of a file; None if it is in an archive, or not on this machine."""
        return f"{self.folder}/{name}" if isinstance(self.folder, str) else None

    def read(self, name: str) -> bytes:
        """Read a file; raises `OSError`."""
        if isinstance(self.folder, Url):
            return (self.folder / name).read_bytes()
        if self.folder is not None:
            return Path(f"{self.folder}/{name}").read_bytes()
        if self.shard is None or self.extent is None:
            raise FileNotFoundError(2, "is not in any archive")
        return self._read_member(self.shard, self.extent, self.names.index(name))

    def _read_member(self, shard: Location, extent: Extent, number: int) -> bytes:
        try:
            with (
                _opened_sample(shard, extent) as file,
                closing(tarfile.open(fileobj=file, mode="r:")) as archive,
            ):
                for _ in range(number):
                    archive.next()
                info = archive.next()
                content = archive.extractfile(info) if info else None
                if content:
                    return content.read()
        except tarfile.TarError as error:
            raise OSError(5, f"is no whole archive: {error}") from error
        raise OSError(5, "ends before this file")


def _opened_sample(shard: Location, extent: Extent) -> BinaryIO:
    """A file that stands where a sample begins; may raise `OSError`."""
    if isinstance(shard, Url):
        return BytesIO(shard.read_bytes(extent.offset, extent.offset + extent.length))
    file = open(shard, "rb")  # noqa: SIM115  # whoever reads it closes it
    file.seek(extent.offset)
    return file


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a result.

    Attributes
    ----------
    dataset
        Number of its data set.
    name
        Name of its image, as the file system has it; empty if a whole data set failed.
    files
        What it became.
    counts
        Class number, objects and pixels of every class in its masks; None if that is not known.
    problem
        Why it failed, or is damaged; else None.
    is_due
        Whether it is of an earlier run with other settings, and the last one did not reach it.
    """

    dataset: int
    name: str
    files: ItemFiles
    counts: list[tuple[int, int, int]] | None
    problem: str | None
    is_due: bool = False


@dataclass(slots=True)
class Class:
    """A class of a result, and the colour, as "#rrggbb", that a gallery shows it in."""

    title: str
    color: str


@dataclass(frozen=True, slots=True)
class Contents:
    """A result that is looked at.

    Attributes
    ----------
    root
        Its folder or address.
    layer
        What was made; no colour is "auto".
    templates
        What its meta.json says of classes.
    palettes
        Those of the layer.
    classes
        What is shown, in the order in which classes are counted.
    source
        What it says of itself and of its items.
    """

    root: Location
    layer: SaveMasks | Save
    templates: Mapping[str, ClassTemplate]
    palettes: Palettes
    classes: list[Class]
    source: ItemSource
    _numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Location, source: ItemSource) -> "Contents":
        """Look at a result; raises `OutputError`."""
        templates = _templates(root)
        colors = [ClassColor(title, each.color) for title, each in templates.items()]
        layer = source.graph.sinks[0].layer
        try:
            if isinstance(layer, SaveMasks):
                layer = resolve_colors(layer, colors)
            palettes = palettes_of(layer, colors)
        except ConfigError as error:
            where = printable(root / _META)
            raise OutputError(f"{where}: does not fit the settings: {error}") from error
        classes = _classes(layer, palettes, colors)
        numbers = {each.title: number for number, each in enumerate(classes)}
        return cls(root, layer, templates, palettes, classes, source, numbers)

    @property
    def settings(self) -> Settings | None:
        """Settings of a `save_masks` layer; None for a `save` layer."""
        return self.layer.settings if isinstance(self.layer, SaveMasks) else None

    def numbers(self, titles: tuple[str, ...]) -> list[int]:
        """Numbers of classes by their titles."""
        return [self._numbers[title] for title in titles]

    def entries(self) -> Iterator[Entry]:
        """All items, data set by data set; call it in the thread that opened the source."""
        for number, dataset in enumerate(self.source.datasets):
            for found in self.source.items(dataset):
                yield self._entry(number, dataset, found)

    def _entry(self, number: int, dataset: str, found: FoundItem) -> Entry:
        problem, names = found.problem, found.files
        if names and found.is_due:
            problem = problem or "was made by an earlier run with other settings"
            names = ()
        if self.source.is_packed:
            files = ItemFiles(names, None, found.shard, found.extent)
        else:
            folder = self.root / dataset
            files = ItemFiles(names, folder if isinstance(folder, Url) else str(folder))
        counts = self._counts(found) if names else None
        return Entry(number, os.fsdecode(found.name), files, counts, problem, found.is_due)

    def _counts(self, found: FoundItem) -> list[tuple[int, int, int]] | None:
        if self.settings is None or not self.classes or found.counts is None:
            return None
        return [(label - 1, objects, pixels) for label, objects, pixels in found.counts]


def find_result_at(address: Url) -> Url:
    """The address of the only result at an address, or directly below; raises `OutputError`."""
    found = find_chunked(address)
    assert found is not None
    return found


def find_results(out: Path) -> list[Path]:
    """The folders of results: `out`, or all below it at the places where runs put them."""
    if is_begun(out) or is_chunked(out):
        return [out]
    try:
        found = [*_results_below(out, _DEPTH)]
    except OSError as error:
        raise OutputError(f"{printable(out)}: cannot be read: {error.strerror}") from error
    if not found:
        raise no_journal(out)
    return found


def _results_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if is_begun(path) or is_chunked(path):
            yield path
        elif depth > 1 and not path.is_symlink():
            yield from _results_below(path, depth - 1)


def _templates(root: Location) -> Mapping[str, ClassTemplate]:
    path = root / _META
    try:
        return class_templates(check_meta(parse_meta(path.read_bytes(), path), path))
    except FileNotFoundError:
        return {}
    except (OSError, ProjectError) as error:
        raise OutputError(f"{printable(path)}: cannot be used: {error}") from error


def _classes(layer: SaveMasks | Save, palettes: Palettes, colors: list[ClassColor]) -> list[Class]:
    """The classes of the label map that is counted, each in the first colour that it has."""
    titles = counted_titles(palettes)
    listed = {title: parse_color(text) for title, text in reversed(colors)}
    known = legend(layer.settings, colors)["classes"] if isinstance(layer, SaveMasks) else {}
    found = []
    for number, title in enumerate(titles):
        entry = known.get(title, {})
        seen = entry.get("human") or entry.get("rgb") or listed.get(title)
        color = "#{:02x}{:02x}{:02x}".format(*seen) if seen else _SPARE[number % len(_SPARE)]
        found.append(Class(title, color))
    return found
