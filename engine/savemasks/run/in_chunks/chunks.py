"""Chunks: consecutive items that travel to a worker together, and what comes back.

All of it may go from process to process and from machine to machine.
"""

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from ...line.job import Job
from ...projects.items import Item
from ...projects.parts import Part
from ...remote import Url
from ...results.in_chunks.marks import add_totals
from ...results.report import Summary

VERSION: str = import_module(__name__.partition(".")[0]).__version__
"""Of this package. An import of it would stand for one of its interface, which is above."""


@dataclass(frozen=True, slots=True)
class MarkTask:
    """The mark of a chunk in one result.

    Attributes
    ----------
    result
        Number of the result.
    id
        Of the mark.
    merges
        The mark that it replaces, if the chunk has only those of its items that failed; or "".
    """

    result: int
    id: str
    merges: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Chunk:
    """Items that one worker makes one after the other.

    Attributes
    ----------
    number
        Chunks are numbered from 0 on.
    items
        What is to be made.
    sources
        For every item the address of its data set, None if it lies on this machine's disk.
    sizes
        For every item the bytes of its image and of its annotation.
    keys
        `item_key` of all items of its marks.
    positions
        Which of these the items are.
    marks
        One for each result that they flow into.
    shard
        Name of the shard that they become, or "".
    cleans
        Whether there may be files of an earlier run.
    dead
        Positions of items whose worker died of them alone.
    is_probe
        Whether nothing is put: it shows whether a worker dies of it.
    """

    number: int
    items: tuple[Item, ...]
    sources: tuple[Url | None, ...]
    sizes: tuple[tuple[int, int], ...]
    keys: tuple[bytes, ...]
    positions: tuple[int, ...]
    marks: tuple[MarkTask, ...]
    shard: str = ""
    cleans: bool = False
    dead: frozenset[int] = frozenset()
    is_probe: bool = False

    def __repr__(self) -> str:  # schedulers log it
        return f"Chunk({self.number}, {len(self.items)} items)"

    def probe(self, number: int) -> "Chunk":
        """A chunk of one of its items, of which nothing is put."""
        one = slice(number, number + 1)
        return replace(
            self,
            items=self.items[one],
            sources=self.sources[one],
            sizes=self.sizes[one],
            positions=self.positions[one],
            is_probe=True,
        )


@dataclass(slots=True)
class ResultPart:
    """What a chunk has added to one result.

    Attributes
    ----------
    result
        Number of the result.
    mark
        Name of the mark.
    totals
        By label, objects, pixels and items in all items of the mark.
    shard
        The shard as the index says it, or None.
    """

    result: int
    mark: str
    totals: dict[int, list[int]]
    shard: dict[str, Any] | None = None


@dataclass(slots=True)
class Added:
    """What all chunks of a run have added to one result.

    Attributes
    ----------
    marks, totals, shards
        As those of a `ResultPart`.
    """

    marks: list[str] = field(default_factory=list)
    totals: dict[int, list[int]] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)

    def add(self, part: ResultPart) -> None:
        """Add what a chunk has added."""
        self.marks.append(part.mark)
        add_totals(self.totals, part.totals)
        if part.shard is not None:
            self.shards.append(part.shard)


@dataclass(slots=True)
class ChunkResult:
    """What became of a chunk.

    Attributes
    ----------
    number, items
        The chunk's number, and how many items it has.
    summary
        Totals over its items.
    parts
        One for each result.
    entries
        A line of the report for every item, if there is one.
    errors
        A line of the error log for every item that failed.
    seconds
        Wall time that it took.
    bytes
        Of the files that were read.
    """

    number: int
    items: int
    summary: Summary
    parts: list[ResultPart] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What all chunks of a run have in common.

    Attributes
    ----------
    job
        What is made of items; its results are where `roots` says.
    roots, sinks
        The address of every result; for every flow, the numbers of the results of its inlets.
    folders
        What precedes names of files in the report, for every result.
    part
        Which part of the run it is, or None.
    has_report
        Whether there is a report.
    version
        Of the package that leads.
    """

    job: Job
    roots: tuple[Url, ...]
    sinks: tuple[tuple[int, ...], ...]
    folders: tuple[str, ...]
    part: Part | None
    has_report: bool
    version: str


class Sizer:
    """How many items a chunk should have, so that it takes some seconds.

    Many workers get longer chunks, so that whoever hands them out sees no more than about 33 a
    second.
    """

    _SECONDS = 3.0
    _MOST_A_SECOND = 33
    _FIRST, _MOST = 8, 2000
    _BYTES = 1 << 28
    _SMOOTHING = 0.3

    def __init__(self) -> None:
        self._seconds: float | None = None  # that an item takes
        self._wanted = self._SECONDS

    @property
    def items(self) -> int:
        """The most items of the next chunk."""
        if self._seconds is None:
            return self._FIRST
        return max(1, min(self._MOST, int(self._wanted / max(self._seconds, 1e-9))))

    @property
    def bytes(self) -> int:
        """The most bytes of the next chunk."""
        return self._BYTES

    def suit(self, workers: int) -> None:
        """Take into account how many workers there are."""
        self._wanted = max(self._SECONDS, workers / self._MOST_A_SECOND)

    def learn(self, items: int, seconds: float) -> None:
        """Take into account what a chunk took."""
        if items:
            took = seconds / items
            before = took if self._seconds is None else self._seconds
            self._seconds = before + self._SMOOTHING * (took - before)
