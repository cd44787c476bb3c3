"""What there is in a result: its classes, and its items with their files, also from archives."""

import heapq
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from ..errors import ConfigError, OutputError, ProjectError, printable
from ..layers.auto_colors import ClassColor, parse_color, resolve_colors
from ..layers.legend import legend
from ..layers.palettes import Palettes, palettes_of
from ..layers.save import Save
from ..layers.save_masks import SaveMasks, Settings
from ..line.class_totals import unpacked
from ..line.counting_classes import counted_titles
from ..line.job import Extent
from ..projects.classes import ClassTemplate, check_meta, class_templates, parse_meta
from ..results.division import missing_parts
from ..results.journal import Journal
from ..results.output import is_begun, no_journal, read_arguments, read_pack
from ..results.places import Shard, State
from ..results.record import Record
from ..results.shards import path_of

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
        That folder; None if the result is packed.
    shard, extent
        Where the item's sample lies, if it is packed and there.
    """

    names: tuple[str, ...]
    folder: str | None = None
    shard: Path | None = None
    extent: Extent | None = None

    def find(self, kind: str) -> str | None:
        """Name of the file in a folder such as "img"; None without one."""
        return next((name for name in self.names if name.startswith(f"{kind}/")), None)

    def path(self, name: str) -> str | None:
        """Path of a file; None if it is in an archive."""
        return None if self.folder is None else f"{self.folder}/{name}"

    def read(self, name: str) -> bytes:
        """Read a file; raises `OSError`."""
        if self.folder is not None:
            return Path(f"{self.folder}/{name}").read_bytes()
        if self.shard is None or self.extent is None:
            raise FileNotFoundError(2, "is not in any archive")
        return self._read_member(self.shard, self.extent, self.names.index(name))

    def _read_member(self, shard: Path, extent: Extent, number: int) -> bytes:
        try:
            with open(shard, "rb") as file:
                file.seek(extent.offset)
                with closing(tarfile.open(fileobj=file, mode="r:")) as archive:
                    for _ in range(number):
                        archive.next()
                    info = archive.next()
                    content = archive.extractfile(info) if info else None
                    if content:
                        return content.read()
        except tarfile.TarError as error:
            raise OSError(5, f"is no whole archive: {error}") from error
        raise OSError(5, "ends before this file")


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
        Its folder.
    layer
        What was made; no colour is "auto".
    templates
        What its meta.json says of classes.
    palettes
        Those of the layer.
    classes
        What is shown, in the order in which classes are counted.
    datasets
        Places of the data sets.
    is_packed
        Whether it lies in archives.
    missing_parts
        What is missing of a divided result, a line each.
    is_whole
        Whether the last run came to its end, in every part.
    wanted
        How many items there should be in all, or None if that is not known.
    """

    root: Path
    layer: SaveMasks | Save
    templates: Mapping[str, ClassTemplate]
    palettes: Palettes
    classes: list[Class]
    datasets: list[str]
    is_packed: bool
    missing_parts: list[str]
    is_whole: bool
    wanted: int | None
    _journals: list[Journal]
    _numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path, journals: list[Journal]) -> "Contents":
        """Look at a result whose journals are open, one for each part; raises `OutputError`."""
        if not journals:
            raise OutputError("no part of it has begun")
        graph, _ = read_arguments(journals[0])
        templates = _templates(root)
        colors = [ClassColor(title, each.color) for title, each in templates.items()]
        layer = graph.sinks[0].layer
        try:
            if isinstance(layer, SaveMasks):
                layer = resolve_colors(layer, colors)
            palettes = palettes_of(layer, colors)
        except ConfigError as error:
            where = printable(root / _META)
            raise OutputError(f"{where}: does not fit the settings: {error}") from error
        classes = _classes(layer, palettes, colors)
        missing = missing_parts(root)
        return cls(
            root,
            layer,
            templates,
            palettes,
            classes,
            sorted({name for each in journals for name in each.datasets()}, key=os.fsencode),
            is_packed=read_pack(journals[0]) is not None,
            missing_parts=missing,
            is_whole=not missing and all(map(_has_ended, journals)),
            wanted=_wanted(journals),
            _journals=journals,
            _numbers={each.title: number for number, each in enumerate(classes)},
        )

    @property
    def settings(self) -> Settings | None:
        """Settings of a `save_masks` layer; None for a `save` layer."""
        return self.layer.settings if isinstance(self.layer, SaveMasks) else None

    def numbers(self, titles: tuple[str, ...]) -> list[int]:
        """Numbers of classes by their titles."""
        return [self._numbers[title] for title in titles]

    def count(self) -> int:
        """How many items there are."""
        return sum(journal.count() for journal in self._journals)

    def entries(self) -> Iterator[Entry]:
        """All items, data set by data set; call it in the thread that opened the journals."""
        sources = [_Source.of(journal, has_shards=self.is_packed) for journal in self._journals]
        for number, dataset in enumerate(self.datasets):
            last: bytes | None = None
            for name, _, record, source in heapq.merge(*(s.records(dataset) for s in sources)):
                if name != last:  # what no part could list is in all of them
                    yield self._entry(number, dataset, record, source)
                last = name

    def _entry(self, number: int, dataset: str, record: Record, source: "_Source") -> Entry:
        name = os.fsdecode(record.name)
        problem = None if record.error is None else _problem(record.error)
        names = tuple(name for name, _ in record.files())
        is_due = record.generation != source.generation
        if names and is_due:
            problem = problem or "was made by an earlier run with other settings"
            names = ()
        if self.is_packed:
            extent = source.journal.places.extent(dataset, record.name)
            shard = source.shards.get(extent.shard) if extent else None
            path = path_of(source.journal.folders, shard) if shard else None
            files = ItemFiles(names, None, path, extent)
        else:
            files = ItemFiles(names, f"{self.root}/{dataset}")
        counts = self._counts(source.journal, dataset, record) if names else None
        return Entry(number, name, files, counts, problem, is_due)

    def _counts(
        self, journal: Journal, dataset: str, record: Record
    ) -> list[tuple[int, int, int]] | None:
        if self.settings is None or not self.classes:
            return None
        counts = unpacked(journal.counts_of(dataset, record.name))
        return [(label - 1, objects, pixels) for label, objects, pixels in counts]


@dataclass(frozen=True, slots=True)
class _Source:
    """What one journal has: that of the result, or of one of its parts."""

    journal: Journal
    datasets: frozenset[str]
    generation: int
    shards: dict[int, Shard]

    @classmethod
    def of(cls, journal: Journal, *, has_shards: bool) -> "_Source":
        """Look at a journal."""
        shards = journal.places.shards() if has_shards else []
        return cls(
            journal,
            frozenset(journal.datasets()),
            int(journal.get("generation") or 0),
            {each.number: each for each in shards if each.state is not State.GONE},
        )

    def records(self, dataset: str) -> Iterator[tuple[bytes, int, Record, "_Source"]]:
        """The items of a data set by their names; those of several journals can be merged."""
        if dataset in self.datasets:
            number = self.journal.part.number if self.journal.part else 0
            for record in self.journal.records(dataset):
                yield record.name, number, record, self


def find_results(out: Path) -> list[Path]:
    """The folders of results: `out`, or all below it at the places where runs put them."""
    if is_begun(out):
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
        if is_begun(path):
            yield path
        elif depth > 1 and not path.is_symlink():
            yield from _results_below(path, depth - 1)


def _templates(root: Path) -> Mapping[str, ClassTemplate]:
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


def _has_ended(journal: Journal) -> bool:
    """Whether all items were tried; journals of earlier versions know only of killed runs."""
    return journal.get("open") != b"1" and journal.get("ended") != b"0"


def _wanted(journals: Sequence[Journal]) -> int | None:
    """How many items there should be in all; None if a part or an earlier version has not said."""
    totals = [journal.get("total") for journal in journals]
    part = journals[0].part
    if len(journals) < (part.count if part else 1):
        return None
    known = [int(total) for total in totals if total is not None]
    return sum(known) if len(known) == len(totals) else None


def _problem(error: bytes) -> str:
    """Why an item failed, as the journal has it."""
    found = orjson.loads(error)
    return str(found["message"])
