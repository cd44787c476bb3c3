"""From listed items to chunks: what the marks call done is passed over."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import NamedTuple

from ...line.job import Outcome, PackRules, needs_image
from ...projects.ignored import Ignored
from ...projects.items import Dataset, Entry, Listing
from ...projects.parts import Part
from ...projects.remote_places import RemotePath
from ...remote import Url
from ...results.in_chunks.chunked_output import ChunkedOutput
from ...results.in_chunks.marks import Mark, MarkName, digest_of, item_key, mark_id, marks_folder
from ..remaining import stamp_in
from ..routes import Routing
from ..worklist import listing_failure
from .chunks import Chunk, MarkTask, Sizer


class Listed(NamedTuple):
    """An item as it is listed now."""

    dataset: Dataset
    listing: Listing
    entry: Entry
    key: bytes
    sizes: tuple[int, int]


class _Known(NamedTuple):
    """Marks that say what became of the next items, one for every result; and which failed."""

    marks: list[MarkName]
    failed: list[int]


class Chunking:
    """Makes chunks of what remains to be done.

    Attributes
    ----------
    listed, skipped
        Number of items seen so far, and of those that are done.
    used, outdated
        For every result, the names of marks that say what is done, and of those in whose place
        others come.
    ignored
        Files that are no items.
    """

    def __init__(
        self,
        routing: Routing,
        outputs: Sequence[ChunkedOutput],
        stop: threading.Event,
        *,
        part: Part | None,
        pack: PackRules | None,
        stem: str,
        only_failed: bool,
    ) -> None:
        """Prepare; `stem` is what the names of shards begin with."""
        self.listed = self.skipped = 0
        self.used: list[list[str]] = [[] for _ in outputs]
        self.outdated: list[list[str]] = [[] for _ in outputs]
        self.ignored = Ignored()
        self.sizer = Sizer()
        self._routing, self._outputs, self._stop = routing, outputs, stop
        self._indexes = [output.index for output in outputs]
        self._part, self._pack, self._stem = part, pack, stem
        self._only_failed = only_failed
        self._cleans = any(map(len, self._indexes))
        self._needs_image = [
            any(needs_image(routing.results[number].layer.settings) for number in numbers)
            for numbers in routing.sinks
        ]
        self._number = 0
        self._failures = [{} if pack else self._failures_of(output) for output in outputs]

    def _failures_of(self, output: ChunkedOutput) -> dict[str, tuple[list[int], list[int]]]:
        """By marks, which of their items failed, and which are not in the digest."""
        folder = marks_folder(self._part)
        names = [f"{folder}/{name}" for name in output.index.with_failures()]
        found = {}
        for name, content in output.depot.read_each(names):
            mark = Mark.decoded(content, f"{output.depot}/{name}")
            found[name.rpartition("/")[2]] = mark.failed, mark.left_out
        return found

    def remaining(self) -> Iterator[Chunk | Outcome]:
        """Yield chunks, and failures of data sets that cannot be listed."""
        if self._pack:
            failures: list[Outcome] = []
            yield from self._shards(
                chain.from_iterable(self._items(d, failures.append) for d in self._routing.datasets)
            )
            yield from failures
            return
        for dataset in self._routing.datasets:
            failures = []
            yield from self._chunks_of(dataset, self._items(dataset, failures.append))
            yield from failures

    def _items(self, dataset: Dataset, fail: Callable[[Outcome], None]) -> Iterator[Listed]:
        """The items of a data set that are in this part, as they are now."""
        folder, part = dataset.folder, self._part
        try:
            for listing in dataset.batches():
                images, annotations = listing.folders()
                with closing(images), closing(annotations):
                    self.ignored.merge(listing.ignored, dataset.output)
                    self.listed += self._count(folder.name, listing)
                    for entry in listing:
                        if part is not None and not part.takes(folder.name, entry.name):
                            continue
                        if self._stop.is_set():
                            return
                        has_image = entry.has_image and self._needs_image[dataset.flow]
                        image = stamp_in(images, entry.name if has_image else None)
                        note = stamp_in(annotations, entry.annotation)
                        names = entry.name, entry.annotation, entry.mask_name
                        # What has to be fetched has at least a byte.
                        sizes = (max(1, image.size) if image else 0, note.size if note else 0)
                        key = item_key(names, (image, note))
                        yield Listed(dataset, listing, entry, key, sizes)
        except OSError as error:
            self.listed += 1
            fail(listing_failure(error, dataset))

    def _count(self, folder: str, listing: Listing) -> int:
        """How many items of a listing are in this part."""
        part = self._part
        if part is None:
            return len(listing.names)
        return sum(part.takes(folder, name) for name in listing.names)

    # ------------------------------------------------------------ trees

    def _chunks_of(self, dataset: Dataset, items: Iterator[Listed]) -> Iterator[Chunk]:
        """The chunks of a data set."""
        window = _Window(items)
        while window.fill(1) and not self._stop.is_set():
            ids = self._ids(dataset, window.items[0].entry.name)
            known = self._known(ids, window)
            if known and not known.failed:
                self._use(ids, known)
                self.skipped += len(window.take(known.marks[0].items))
            elif known:
                self.skipped += known.marks[0].items - len(known.failed)
                yield self._again(ids, known, window.take(known.marks[0].items))
            elif self._only_failed:
                yield from self._only_if_failed(dataset, ids, window)
            else:
                yield self._new(ids, window.take(self._length(dataset, window)))

    def _only_if_failed(
        self, dataset: Dataset, ids: dict[int, str], window: "_Window"
    ) -> Iterator[Chunk]:
        """Pass over items that no mark is about as they are now, unless some of them failed."""
        found = [name for number, id_ in ids.items() for name in self._indexes[number].find(id_)]
        if any(name.failed for name in found):
            yield self._new(ids, window.take(self._length(dataset, window, found[0].items)))
        else:
            window.take(1)

    def _length(self, dataset: Dataset, window: "_Window", most: int | None = None) -> int:
        """How many items the next chunk has: it ends before an item that a mark begins with."""
        most = most or self.sizer.items
        window.fill(most)
        total = 0
        for number, listed in enumerate(window.items):
            total += sum(listed.sizes)
            if number and (
                number >= most
                or total > self.sizer.bytes
                or any(
                    id_ in self._indexes[result]
                    for result, id_ in self._ids(dataset, listed.entry.name).items()
                )
            ):
                return number
        return len(window.items)

    def _ids(self, dataset: Dataset, first: str) -> dict[int, str]:
        """Ids of the marks that begin with an item, by the results that it flows into."""
        numbers = self._routing.sinks[dataset.flow]
        ids: dict[int, str] = {}
        for inlet, place in dataset.reached:
            number = numbers[inlet]
            ids.setdefault(number, mark_id(self._outputs[number].seed, place, first))
        return ids

    def _known(self, ids: dict[int, str], window: "_Window") -> _Known | None:
        """What marks say of the next items, if all results have one that still holds."""
        found: list[MarkName] = []
        failed: list[int] | None = None
        for result, id_ in ids.items():
            holding = [
                (name, positions)
                for name in self._indexes[result].find(id_)
                if (positions := self._holds(result, name, window)) is not None
                and (failed is None or failed == positions)
            ]
            if not holding:
                return None
            name, failed = holding[0]
            found.append(name)
        return _Known(found, failed or [])

    def _holds(self, result: int, name: MarkName, window: "_Window") -> list[int] | None:
        """The positions of items that failed, if a mark is about the next items; or None."""
        if not window.fill(name.items):
            return None
        failed, left_out = self._failures[result].get(str(name), ([], []))
        keys = [listed.key for listed in window.first(name.items)]
        return failed if digest_of(keys, left_out) == name.digest else None

    def _use(self, ids: dict[int, str], known: _Known) -> None:
        for (result, id_), name in zip(ids.items(), known.marks, strict=True):
            self.used[result].append(str(name))
            self._set_aside(result, id_, str(name))

    def _again(self, ids: dict[int, str], known: _Known, found: list[Listed]) -> Chunk:
        """A chunk of those items that failed."""
        marks = []
        for (result, id_), name in zip(ids.items(), known.marks, strict=True):
            self._set_aside(result, id_, str(name))
            marks.append(MarkTask(result, id_, str(name)))
        return self._chunk(found, known.failed, tuple(marks))

    def _new(self, ids: dict[int, str], found: list[Listed]) -> Chunk:
        for result, id_ in ids.items():
            self._set_aside(result, id_)
        marks = tuple(MarkTask(result, id_) for result, id_ in ids.items())
        return self._chunk(found, range(len(found)), marks)

    def _set_aside(self, result: int, id_: str, valid: str = "") -> None:
        """Take the marks of an id out of the index; all but the valid one are outdated."""
        outdated = [name for name in self._indexes[result].pop(id_) if name != valid]
        self.outdated[result] += outdated

    def _chunk(
        self,
        found: list[Listed],
        positions: Sequence[int],
        marks: tuple[MarkTask, ...],
        shard: str = "",
    ) -> Chunk:
        chosen = [found[position] for position in positions]
        self._number += 1
        return Chunk(
            self._number - 1,
            items=tuple(each.listing.item(each.entry) for each in chosen),
            sources=tuple(source_of(each.dataset) for each in chosen),
            sizes=tuple(each.sizes for each in chosen),
            keys=tuple(each.key for each in found),
            positions=tuple(positions),
            marks=marks,
            shard=shard,
            cleans=self._cleans,
        )

    # ------------------------------------------------------------ shards

    def _shards(self, items: Iterator[Listed]) -> Iterator[Chunk]:
        """Chunks that become a shard each."""
        assert self._pack is not None
        assert self._pack.items is not None
        window, number = _Window(items), 0
        while window.fill(1) and not self._stop.is_set():
            window.fill(self._pack.items)
            found = window.first(self._pack.items)
            shard = f"{self._stem}-{number:05d}.tar"
            ids = {0: mark_id(self._outputs[0].seed, "", shard)}
            known = self._known_shard(ids[0], window)
            window.take(len(found))
            number += 1
            if known and not known.failed:
                self._use(ids, known)
                self.skipped += len(found)
            elif known or not self._only_failed:
                self._set_aside(0, ids[0])
                yield self._chunk(found, range(len(found)), (MarkTask(0, ids[0]),), shard)

    def _known_shard(self, id_: str, window: "_Window") -> _Known | None:
        """What a mark says of a shard; with failed items it only has to be there."""
        assert self._pack is not None
        length = len(window.first(self._pack.items or 0))
        for name in self._indexes[0].find(id_):
            if name.failed:
                return _Known([name], [0])
            if name.items == length and self._holds(0, name, window) is not None:
                return _Known([name], [])
        return None


class _Window:
    """The next items of a stream, as far as they were looked at."""

    def __init__(self, items: Iterator[Listed]) -> None:
        self.items: deque[Listed] = deque()
        self._source = items

    def fill(self, count: int) -> bool:
        """Look at so many items; return whether there are as many."""
        while len(self.items) < count:
            found = next(self._source, None)
            if found is None:
                return False
            self.items.append(found)
        return True

    def first(self, count: int) -> list[Listed]:
        """The next items, which stay."""
        return [item for item, _ in zip(self.items, range(count), strict=False)]

    def take(self, count: int) -> list[Listed]:
        """Take the next items out."""
        return [self.items.popleft() for _ in range(min(count, len(self.items)))]


def source_of(dataset: Dataset) -> Url | None:
    """The address that a data set's files are fetched from, or None if they need not be."""
    return dataset.folder.url if isinstance(dataset.folder, RemotePath) else None
