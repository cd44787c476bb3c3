"""The items of a result that is made in chunks, in the order in which a journal has them."""

import heapq
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from ...errors import OutputError
from ...line.job import Extent
from ..division import being_made
from ..lock import HIDDEN, Lock, is_at_work
from .chunked_output import Begun, seed_of
from .depot import Depot
from .marks import Mark, MarkedItem, MarkName, mark_id, marks_folder


class PlacedItem(NamedTuple):
    """What became of an item at one place below the result.

    Attributes
    ----------
    name
        Of its image, in bytes.
    files
        Names below the data set's folder.
    counts
        Rows of label, objects and pixels; None if they are not known.
    error
        Why it failed, as `describe` says it, or None.
    is_due
        Whether it was made with other settings than those of the result now.
    shard, extent
        Name of the shard that has its sample, and where that lies in it; None if there is none.
    """

    name: bytes
    files: tuple[str, ...]
    counts: list[tuple[int, int, int]] | None
    error: dict[str, Any] | None
    is_due: bool
    shard: str | None
    extent: Extent | None


class _Span(NamedTuple):
    """Items of one data set in a mark: the first name in their order, and the mark's file."""

    first: bytes
    mark: str


class _Rank(NamedTuple):
    """What the items of several marks are sorted by: of two with one name, the first counts."""

    name: bytes
    is_due: bool
    age: int
    has_failed: bool
    number: int


class MarkedItems:
    """All items that the marks of a result are about.

    Of every mark, a name and a path are in memory. Marks are read again when their items come, and
    few are in memory at a time: one for each part, and those that overlap because a run has ended
    before it removed what is outdated.

    Attributes
    ----------
    count
        How many items there are; too many where marks overlap.
    """

    def __init__(self, depot: Depot, begun: Begun) -> None:
        """Read all marks; raises `OutputError`."""
        self.count = 0
        self._depot, self._seed = depot, seed_of(begun.arguments)
        self._is_packed = begun.pack is not None
        # By the first place of a data set, if it flows into the result in several ways.
        self._spans: dict[str, list[_Span]] = {}
        self._first_places: dict[str, str] = {}
        for part in begun.all_parts:
            folder = marks_folder(part)
            names = [name for name in depot.names(folder) if MarkName.parse(name)]
            for path, content in depot.read_each(f"{folder}/{name}" for name in names):
                self._add(path, Mark.decoded(content, f"{depot}/{path}"))

    def _add(self, path: str, mark: Mark) -> None:
        firsts: dict[str, bytes] = {}
        for item in mark.items:
            name, places = os.fsencode(item.name), _places(item)
            self.count += len(places)
            firsts[item.dataset] = min(name, firsts.get(item.dataset, name))
            for place in places:
                self._first_places.setdefault(place, item.dataset)
        for place, first in firsts.items():
            self._spans.setdefault(place, []).append(_Span(first, path))

    @property
    def datasets(self) -> list[str]:
        """Places of the data sets below the result, in their order."""
        return sorted(self._first_places, key=os.fsencode)

    def of(self, dataset: str) -> Iterator[PlacedItem]:
        """The items of a data set, sorted by the bytes of their names; raises `OutputError`."""
        waiting = iter(sorted(self._spans[self._first_places[dataset]]))
        span = next(waiting, None)
        # The next item of every open mark, and those behind it.
        open_: list[tuple[_Rank, PlacedItem, Iterator[tuple[_Rank, PlacedItem]]]] = []
        last: bytes | None = None
        number = 0
        while open_ or span:
            while span and (not open_ or span.first <= open_[0][0].name):
                items = self._ranked(dataset, span.mark, number)
                heapq.heappush(open_, (*next(items), items))
                span, number = next(waiting, None), number + 1
            rank, item, items = open_[0]
            if rank.name != last:
                yield item
                last = rank.name
            following = next(items, None)
            if following is None:
                heapq.heappop(open_)
            else:
                heapq.heapreplace(open_, (*following, items))

    def _ranked(self, dataset: str, path: str, number: int) -> Iterator[tuple[_Rank, PlacedItem]]:
        """The items of a data set in a mark, in their order."""
        content = self._depot.find(path)
        if content is None:
            raise OutputError(f"{self._depot}: has changed meanwhile: try again")
        mark = Mark.decoded(content, f"{self._depot}/{path}")
        shard = mark.shard["name"] if mark.shard else None
        is_due = not self._is_of_now(path, mark)
        age = -self._written_at(path)
        first = self._first_places[dataset]
        here = (item for item in mark.items if item.dataset == first)
        placed = (_at(dataset, item, shard, is_due=is_due) for item in here)
        for item in sorted(placed, key=attrgetter("name")):
            yield _Rank(item.name, is_due, age, item.error is not None, number), item

    def _is_of_now(self, path: str, mark: Mark) -> bool:
        """Whether a mark is of the settings that the result has now."""
        name = MarkName.parse(path.rpartition("/")[2])
        assert name is not None
        if not self._is_packed:
            first = mark.items[0]
            return name.id == mark_id(self._seed, first.dataset, first.name)
        return mark.shard is None or name.id == mark_id(self._seed, "", mark.shard["name"])

    def _written_at(self, path: str) -> int:
        """When a mark was written, in nanoseconds; 0 at an address."""
        if self._depot.folder is not None:
            with suppress(OSError):
                return os.stat(self._depot.folder / path).st_mtime_ns
        return 0


def _places(item: MarkedItem) -> dict[str, list[str]]:
    """The places where an item lies, with the names of its files below each.

    There are several if it flows into the result in several ways; of one that failed, the first.
    """
    begin = f"{item.dataset}/"
    if all(name.startswith(begin) for name in item.files):
        return {item.dataset: [name[len(begin) :] for name in item.files]}
    # At each place, the first file has the same name.
    first = next(iter(item.files))[len(begin) - 1 :]
    found: dict[str, list[str]] = {}
    place = item.dataset
    for name in item.files:
        if name.endswith(first):
            place = name.removesuffix(first)
        found.setdefault(place, []).append(name[len(place) + 1 :])
    return found


def _rows_at(item: MarkedItem, place: int, places: int) -> list[tuple[int, int, int]] | None:
    """What was counted of an item at one of its places, whose labels ascend; None if unclear."""
    rows = [*item.rows()]
    if places == 1:
        return rows
    ends = [at for at, (a, b) in enumerate(pairwise(rows), start=1) if b[0] <= a[0]]
    if len(ends) != places - 1:
        return None
    begin, end = [0, *ends, len(rows)][place : place + 2]
    return rows[begin:end]


def _at(dataset: str, item: MarkedItem, shard: str | None, *, is_due: bool) -> PlacedItem:
    """What became of an item at one of its places."""
    places = _places(item)
    number = [*places].index(dataset) if dataset in places else 0
    extent = item.extent
    return PlacedItem(
        os.fsencode(item.name),
        tuple(places.get(dataset, ())),
        _rows_at(item, number, len(places)),
        item.error,
        is_due,
        shard if extent else None,
        extent,
    )


@contextmanager
def locked_marks(depot: Depot, begun: Begun) -> Iterator[None]:
    """Lock a result on this machine as a whole; an object store has no locks.

    Raises `OutputError` if somebody makes it, or parts of it.
    """
    folder = depot.folder
    with ExitStack() as stack:
        if folder is not None:
            hidden = folder / HIDDEN
            # A copy has no lock; if it is read-only, too, nobody can be at work.
            if os.access(hidden, os.W_OK) or (hidden / "lock").exists():
                stack.enter_context(closing(Lock(folder)))
            others = [part for part in begun.all_parts if part and is_at_work(folder, part)]
            if others:
                raise OutputError(f"{folder}: {being_made(others)}; wait for the end of that")
        yield
