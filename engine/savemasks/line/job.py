"""What workers are given, and what they hand back. All of it may go from process to process."""

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from ..layers.auto_colors import ClassColor
from ..layers.class_table import IDENTITY, ClassTable
from ..layers.save import Save, SaveSettings
from ..layers.save_masks import PAGE_ENDINGS, SaveMasks, Settings
from ..projects.classes import ClassTemplate
from ..projects.items import Entry, Item
from ..projects.parts import Part
from ..store.files import Written
from ..store.packs import Sample

OnCompile: TypeAlias = Callable[[int, int], None]
"""Is told, while kernels are compiled, how many parts of the work are done, and of how many."""

PackKind = Literal["tar", "webdataset"]

USUAL_SAMPLES = 1000
"""Samples of a shard under keys, if nothing else is said."""

_MOST = (1 << 63) - 1  # that the journal can hold

_SUM = struct.Struct("<QI")
_STAMPS = struct.Struct("<4q")


class Stamp(NamedTuple):
    """What tells without reading whether a file has changed: size, and time of its last change.

    The time is in nanoseconds. A change that leaves both as they were is not seen.
    """

    size: int
    mtime_ns: int


_NO_STAMP = Stamp(-1, -1)


def pack_stamps(annotation: Stamp | None, image: Stamp | None) -> bytes:
    """Encode two stamps as bytes that are equal if and only if the stamps are."""
    return _STAMPS.pack(*(annotation or _NO_STAMP), *(image or _NO_STAMP))


class Files(NamedTuple):
    """The files that an item has become in one result, in few bytes.

    Attributes
    ----------
    inputs
        Stamps of what they were made of, as `pack_stamps` encodes them.
    names
        Their names below the data set's folder, as `pack_names` encodes them.
    sums
        Size and CRC-32 of each.
    """

    inputs: bytes = b""
    names: bytes = b""
    sums: bytes = b""

    @classmethod
    def of(cls, place: str, written: Mapping[str, Written], inputs: bytes = b"") -> "Files":
        """Encode what was written; all names begin with the place of the data set."""
        begin = len(place) + 1
        return cls(
            inputs,
            pack_names(name[begin:] for name in written),
            b"".join(_SUM.pack(*each) for each in written.values()),
        )

    def each(self) -> Iterator[tuple[str, Written]]:
        """Yield the name below the data set's folder, size and checksum of every file."""
        if self.sums:
            sums = _SUM.iter_unpack(self.sums)
            for name, each in zip(self.names.split(b"\0"), sums, strict=True):
                yield os.fsdecode(name), Written(*each)


def pack_names(names: Iterable[str]) -> bytes:
    """Encode names of files below their data set's folder: joined by NUL bytes."""
    return os.fsencode("\0".join(names))


class Extent(NamedTuple):
    """Where a sample lies: number of the shard's file, first byte, and how many there are."""

    shard: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PackRules:
    """How a result is packed.

    Attributes
    ----------
    kind
        "tar": the tree of the result. "webdataset": samples under keys.
    items
        The most samples of a shard, or None.
    size
        The most bytes of a shard, unless a single sample has more; or None.
    """

    kind: PackKind
    items: int | None = None
    size: int | None = None

    @classmethod
    def of(cls, kind: PackKind, items: int | None = None, size: int | None = None) -> "PackRules":
        """The rules, with a limit for samples under keys if none is given.

        Raises `ValueError` for limits that no archive can reach.
        """
        for limit, unit in ((items, "images"), (size, "bytes")):
            if limit is not None and limit > _MOST:
                raise ValueError(f"no archive has more than {_MOST} {unit}: leave out this limit")
        if kind == "webdataset" and items is None and size is None:
            items = USUAL_SAMPLES
        return cls(kind, items, size)

    def __str__(self) -> str:
        limits = [] if self.items is None else [f"{self.items} samples"]
        limits += [] if self.size is None else [f"{self.size} bytes"]
        return f"{self.kind}, at most {' and '.join(limits)} each" if limits else self.kind

    @property
    def is_numbered(self) -> bool:
        """Whether there may be several shards."""
        return self.items is not None or self.size is not None


@dataclass(frozen=True, slots=True)
class Inlet:
    """How the items of one source flow into one sink.

    Attributes
    ----------
    layer
        What to make.
    root
        Where results are put.
    table
        What becomes of the classes on the way.
    classes
        The sink's classes in its meta.json, in order; None if they are those of the source.
    """

    layer: SaveMasks | Save
    root: Path
    table: ClassTable = IDENTITY
    classes: tuple[ClassColor, ...] | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What the items of one source have in common: their classes, and where they flow to.

    Attributes
    ----------
    templates
        What the source's meta.json says of its classes.
    inlets
        The sinks that they flow into, at least one.
    """

    templates: Mapping[str, ClassTemplate]
    inlets: tuple[Inlet, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What all items of a run have in common.

    Attributes
    ----------
    flows
        By the number that items name.
    link
        Whether copies are hard links.
    durable
        Whether a file counts as written only when the disk holds it.
    workers
        How many there are.
    memory
        Bytes that all of them together may use for pictures, by default a share of the machine's.
    sample
        0 to export. Otherwise nothing is written: items are read and parsed, and one in so many
        goes all the way, to tell what an export costs.
    pack
        How the result is packed, or None if it is a tree of files.
    part
        Which part of the run it is, or None if it is the whole.
    machine
        In the names of unfinished files, where several machines write to one folder.
    """

    flows: tuple[Flow, ...]
    link: bool = False
    durable: bool = False
    workers: int = 1
    memory: int | None = None
    sample: int = 0
    pack: PackRules | None = None
    part: Part | None = None
    machine: str = ""

    @property
    def roots(self) -> list[Path]:
        """Where results are put, each once."""
        return [*dict.fromkeys(inlet.root for flow in self.flows for inlet in flow.inlets)]

    def folders_of(self, item: Item) -> list[Path]:
        """Where the folders of an item's data set lie, in all results that it flows into."""
        inlets = self.flows[item.flow].inlets
        return [inlets[inlet].root / dataset for inlet, dataset in item.reached]


@dataclass(slots=True)
class Outcome:
    """What became of one item.

    Attributes
    ----------
    item
        The item.
    inputs
        Stamps of the files that were read, by path, from before they were read. They stay with the
        worker: `written` has them.
    written
        For every place that the item names, the files written; empty if it failed.
    sample
        Where its sample is, if the result is packed; `NO_ROOM` if that could not be written.
    counts
        For every place, what `counting` found of the classes in its masks.
    error
        Why it failed, or None.
    pixels
        Pixels of its canvas.
    geometries, unsupported
        Objects by geometry, and those among them that could not be painted.
    unknown_classes
        Objects of classes that neither the layer nor meta.json names, by title.
    missing_edges
        Graphs whose class has no edges in meta.json, by title.
    is_blank
        Whether the annotation has nothing to paint, so that its masks are all background.
    unread_format
        Format of a picture that this installation cannot read and that was only copied, or None.
    files
        How many files it would become, if none is written.
    seconds
        Time spent per station.
    kept
        Of an item that an earlier run has packed: where its sample lies.
    number
        Which one it is among all items of the pool that makes it.
    extent, shard
        Where its sample belongs, and the path of the shard's file, once that is known.
    is_placed
        Whether its sample is there.
    place_problem
        Why it could not be written there, or None.
    """

    item: Item
    inputs: dict[str, Stamp] = field(default_factory=dict)
    written: list[Files] = field(default_factory=list)
    sample: Sample | None = None
    counts: list[bytes] = field(default_factory=list)
    error: Exception | None = None
    pixels: int = 0
    geometries: dict[str, int] = field(default_factory=dict)
    unsupported: dict[str, int] = field(default_factory=dict)
    unknown_classes: dict[str, int] = field(default_factory=dict)
    missing_edges: dict[str, int] = field(default_factory=dict)
    is_blank: bool = False
    unread_format: str | None = None
    files: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    kept: Extent | None = None
    number: int = 0
    extent: Extent | None = None
    shard: str = ""
    is_placed: bool = False
    place_problem: str | None = None

    def outputs(self, place: int = 0) -> dict[str, Written]:
        """Files written in one place, by their names relative to the sink's store."""
        if not self.written:
            return {}
        places = self.item.places
        dataset = places[place][1] if places else self.item.dataset
        return {f"{dataset}/{name}": written for name, written in self.written[place].each()}

    def packed(self) -> tuple[Any, ...]:
        """What a worker has found, as plain data: that goes through a pipe in the least time."""
        return (
            [*map(tuple, self.written)],
            self.sample and tuple(self.sample),
            *_others(self),
        )

    @classmethod
    def unpacked(cls, item: Item, packed: tuple[Any, ...]) -> "Outcome":
        """The outcome of an item that `packed` made plain data of."""
        written, sample, *others = packed
        return cls(item, {}, [*map(Files._make, written)], sample and Sample._make(sample), *others)


# The fields that a worker fills, and that need no packing, in their order.
_others = attrgetter(
    "counts", "error", "pixels", "geometries", "unsupported", "unknown_classes", "missing_edges",
    "is_blank", "unread_format", "files", "seconds",
)  # fmt: skip


class GivenUp(BaseException):
    """The run is to end, so an item was neither made nor has it failed; nothing of it is left."""


def needs_image(settings: Settings | SaveSettings) -> bool:
    """Whether an item's picture is read, or else its annotation alone."""
    return settings.images or settings.masks_human


def mask_files(mask_name: str, settings: Settings | SaveSettings) -> Iterator[tuple[str, str]]:
    """Folders and names of the masks and pages that every item becomes, in order of writing."""
    name = with_ending(mask_name, settings)
    if settings.visualize:
        yield "visualize", name
    if settings.masks_machine:
        yield "masks_machine", name
    if settings.masks_human:
        ending = PAGE_ENDINGS[settings.human_format]
        is_png = ending == ".png"
        yield "masks_human", name if is_png else mask_name.removesuffix(".png") + ending
    if settings.masks_semantic_rgb:
        yield "masks_semantic_rgb", name


OWN_FOLDERS = ("masks_instances", "masks_classes")
"""Folders of masks of objects and classes, whose names depend on what is in an annotation."""


def is_own(name: str) -> bool:
    """Whether a name below a data set's folder is that of such a mask."""
    return name.partition("/")[0] in OWN_FOLDERS


def own_folders(entry: Entry, settings: Settings | SaveSettings) -> Iterator[str]:
    """Folders below the data set's that are for the masks of objects and classes of one item."""
    stem = entry.stem
    if settings.masks_instances == "objects":
        yield f"masks_instances/{stem}"
    if settings.masks_classes:
        yield f"masks_classes/{stem}"


def own_names(entry: Entry, settings: Settings | SaveSettings) -> Iterator[str]:
    """Names that the map of an item's objects, and the table beside it, may have."""
    if settings.masks_instances == "map":
        stem = entry.stem
        yield from (f"masks_instances/{stem}{end}" for end in (".png", ".tif", ".json"))


def mask_stem(name: str) -> str:
    """What the names of all masks of an item have in common, by one of them below the data set's.

    Those of objects and classes lie in a folder of that name.
    """
    file = name.partition("/")[2]
    folder, slash, _ = file.partition("/")
    return folder if slash else file.rpartition(".")[0]


def output_names(entry: Entry, settings: Settings | SaveSettings) -> list[str]:
    """Names of the files that every item becomes, in the order in which they are written.

    They are those below its data set's folder, without those of objects and classes.
    """
    names = [f"{folder}/{file}" for folder, file in mask_files(entry.mask_name, settings)]
    if settings.images:
        names.append(f"img/{entry.name}")
    if settings.annotations and entry.annotation is not None:
        names.append(f"ann/{entry.annotation}")
    return names


def with_ending(name: str, settings: Settings | SaveSettings) -> str:
    """The name of a mask that ends in .png, with the ending of the masks' format."""
    return name.removesuffix(".png") + ".tif" if settings.format == "tiff" else name
