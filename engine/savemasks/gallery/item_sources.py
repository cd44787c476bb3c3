"""Where the items of a gallery come from: the journals of a result, or its marks."""

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson

from ..errors import OutputError, printable
from ..layers.graph import Graph
from ..line.class_totals import unpacked
from ..line.job import Extent
from ..projects.locations import Location
from ..results.division import locked_journals, missing_parts
from ..results.in_chunks import chunked_output
from ..results.in_chunks.chunked_output import Begun, is_chunked, read_all_done, read_begun
from ..results.in_chunks.depot import Depot, as_url
from ..results.in_chunks.marked_items import MarkedItems, PlacedItem, locked_marks
from ..results.journal import Journal
from ..results.output import read_arguments, read_pack
from ..results.places import Shard, State
from ..results.record import Record
from ..results.shards import path_of


class FoundItem(NamedTuple):
    """What is known of an item.

    Attributes
    ----------
    name
        Of its image, in bytes; empty if a whole data set failed.
    files
        Names below the data set's folder.
    counts
        Label, objects and pixels of every class in its masks; None if that is not known.
    problem
        Why it failed, or is damaged; else None.
    is_due
        Whether it is of an earlier run with other settings, and the last one did not reach it.
    shard, extent
        Where its sample lies, if the result is packed and it is there.
    """

    name: bytes
    files: tuple[str, ...]
    counts: list[tuple[int, int, int]] | None
    problem: str | None
    is_due: bool
    shard: Location | None
    extent: Extent | None


class ItemSource(Protocol):
    """What a result says of itself and of its items.

    Attributes
    ----------
    graph
        What was made.
    datasets
        Places of the data sets, in their order.
    is_packed
        Whether it lies in archives.
    missing_parts
        What is missing of a divided result, a line each.
    is_whole
        Whether the last run came to its end, in every part.
    wanted
        How many items there should be in all, or None if that is not known.
    """

    graph: Graph
    datasets: list[str]
    is_packed: bool
    missing_parts: list[str]
    is_whole: bool
    wanted: int | None

    def count(self) -> int:
        """How many items there are, or a few more."""

    def items(self, dataset: str) -> Iterator[FoundItem]:
        """The items of a data set, sorted by the bytes of their names."""


@contextmanager
def opened_source(root: Location) -> Iterator[ItemSource]:
    """Open what a result says of itself, so that nobody changes it; raises `OutputError`."""
    if isinstance(root, Path) and not is_chunked(root):
        with locked_journals(root) as journals:
            try:
                source = _Journals(root, journals)
            except OutputError as error:
                raise OutputError(f"{printable(root)}: {error}") from error
            yield source
        return
    depot = Depot(as_url(root))
    begun = read_begun(depot)
    assert begun is not None
    with locked_marks(depot, begun):
        yield _Marks(depot, begun)


# ---------------------------------------------------------------- journals


class _Journals:
    """The journals of a result, one for each part."""

    def __init__(self, root: Path, journals: Sequence[Journal]) -> None:
        if not journals:
            raise OutputError("no part of it has begun")
        self._journals = journals
        self.graph, _ = read_arguments(journals[0])
        names = {name for each in journals for name in each.datasets()}
        self.datasets = sorted(names, key=os.fsencode)
        self.is_packed = read_pack(journals[0]) is not None
        self.missing_parts = missing_parts(root)
        self.is_whole = not self.missing_parts and all(journal.has_ended for journal in journals)
        self.wanted = _wanted(journals)
        self._parts = [_Part.of(journal, has_shards=self.is_packed) for journal in journals]

    def count(self) -> int:
        return sum(journal.count() for journal in self._journals)

    def items(self, dataset: str) -> Iterator[FoundItem]:
        last: bytes | None = None
        for name, _, record, part in heapq.merge(*(p.records(dataset) for p in self._parts)):
            if name != last:  # what no part could list is in all of them
                yield part.found(dataset, record)
            last = name


@dataclass(frozen=True, slots=True)
class _Part:
    """What one journal has: that of the result, or of one of its parts."""

    journal: Journal
    datasets: frozenset[str]
    generation: int
    has_shards: bool
    shards: dict[int, Shard]

    @classmethod
    def of(cls, journal: Journal, *, has_shards: bool) -> "_Part":
        """Look at a journal."""
        shards = journal.places.shards() if has_shards else []
        return cls(
            journal,
            frozenset(journal.datasets()),
            int(journal.get("generation") or 0),
            has_shards,
            {each.number: each for each in shards if each.state is not State.GONE},
        )

    def records(self, dataset: str) -> Iterator[tuple[bytes, int, Record, "_Part"]]:
        """The items of a data set by their names; those of several journals can be merged."""
        if dataset in self.datasets:
            number = self.journal.part.number if self.journal.part else 0
            for record in self.journal.records(dataset):
                yield record.name, number, record, self

    def found(self, dataset: str, record: Record) -> FoundItem:
        """What a row says."""
        journal, shard, extent = self.journal, None, None
        if self.has_shards:
            extent = journal.places.extent(dataset, record.name)
            shard = self.shards.get(extent.shard) if extent else None
        return FoundItem(
            record.name,
            tuple(name for name, _ in record.files()),
            unpacked(journal.counts_of(dataset, record.name)),
            None if record.error is None else str(orjson.loads(record.error)["message"]),
            record.generation != self.generation,
            path_of(journal.folders, shard) if shard else None,
            extent,
        )


def _wanted(journals: Sequence[Journal]) -> int | None:
    """How many items there should be in all; None if a part or an earlier version has not said."""
    totals = [journal.get("total") for journal in journals]
    part = journals[0].part
    if len(journals) < (part.count if part else 1):
        return None
    known = [int(total) for total in totals if total is not None]
    return sum(known) if len(known) == len(totals) else None


# ---------------------------------------------------------------- marks


class _Marks:
    """The marks of a result that is made in chunks."""

    def __init__(self, depot: Depot, begun: Begun) -> None:
        self._root, self._items = depot.folder or depot.url, MarkedItems(depot, begun)
        self.wanted: int | None = None  # nobody counts before the end
        self.graph = begun.graph
        self.datasets = self._items.datasets
        self.is_packed = begun.pack is not None
        done = read_all_done(depot, begun)
        self.missing_parts = chunked_output.missing_parts(begun, done)
        self.is_whole = None not in done.values()

    def count(self) -> int:
        return self._items.count

    def items(self, dataset: str) -> Iterator[FoundItem]:
        return map(self._found, self._items.of(dataset))

    def _found(self, item: PlacedItem) -> FoundItem:
        name, files, counts, error, is_due, shard, extent = item
        problem = None if error is None else str(error["message"])
        path = None if shard is None else self._root / shard
        return FoundItem(name, files, counts, problem, is_due, path, extent)
