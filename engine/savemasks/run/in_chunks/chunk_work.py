"""The side of a worker that makes chunks: fetch, export, put, and then the mark."""

import socket
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from ...errors import CrashError, ItemError, OutputError, WriteError
from ...layers.save import SaveSettings
from ...layers.save_masks import Settings
from ...line.class_totals import unpacked
from ...line.job import (
    Extent,
    Job,
    OnCompile,
    Outcome,
    is_own,
    output_names,
    own_folders,
    own_names,
)
from ...projects.items import Entry, Item
from ...projects.parts import unfinished_mark
from ...remote import Url
from ...results.in_chunks.depot import Depot
from ...results.in_chunks.marks import Mark, MarkedItem, add_rows, marks_folder
from ...results.lock import hidden_folder
from ...results.report import Summary, describe, error_entry, report_entry
from ...scratch import Scratch
from ...store.files import Store
from ...store.pack_members import END
from ...store.packs import NO_ROOM, SPOOL, SPOOL_BYTES
from ..worker import Worker
from .chunks import Chunk, ChunkResult, MarkTask, ResultPart, Work
from .staging import Staging

_FIRST_BATCH, _LARGEST_BATCH = 2, 32  # items whose files are fetched, and put, together
_BATCH_BYTES = 1 << 25
_AHEAD = 3  # batches that are fetched, and put, while another one is made
_CRASHED = "the process that worked on it died, twice; the item was alone the second time"


class _Batch(NamedTuple):
    """Some items of a chunk: where they begin in it, and their sources."""

    begin: int
    items: tuple[Item, ...]
    sources: tuple[Url | None, ...]
    sizes: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Made:
    """What became of an item in every result: names of files and what they hold."""

    outcome: Outcome
    parts: dict[int, MarkedItem] = field(default_factory=dict)


class ChunkWorker:
    """Makes chunks. May be shared by threads, each of which brings its own scratch."""

    def __init__(self, work: Work, folder: Path, on_compile: OnCompile | None = None) -> None:
        """Load the kernels, or compile them; `folder` is for files on their way."""
        self._work, self._staging = work, Staging(folder)
        machine = blake2b(socket.gethostname().encode(), digest_size=4).hexdigest() + "-"
        mark = unfinished_mark(work.part) + machine
        durable = work.job.durable
        self._depots = [Depot(root, durable=durable, mark=mark) for root in work.roots]
        self._worker = Worker(self._job(machine), lambda: False, on_compile)
        self._shards = Store(self._local_root(0), durable=durable, mark=mark)
        layers = [inlet.layer for flow in work.job.flows for inlet in flow.inlets]
        self._settings = dict(
            zip(self._numbers(), [layer.settings for layer in layers], strict=True)
        )

    def _numbers(self) -> Iterator[int]:
        for numbers in self._work.sinks:
            yield from numbers

    def _job(self, machine: str) -> Job:
        """The job with folders of this machine as its results."""
        job = self._work.job
        flows = tuple(
            replace(
                flow,
                inlets=tuple(
                    replace(inlet, root=self._made_in(number))
                    for number, inlet in zip(numbers, flow.inlets, strict=True)
                ),
            )
            for numbers, flow in zip(self._work.sinks, job.flows, strict=True)
        )
        if job.pack:
            hidden_folder(self._staging.output(0), job.part).mkdir(parents=True, exist_ok=True)
        is_local = any(depot.folder for depot in self._depots)
        return replace(job, flows=flows, machine=machine, durable=job.durable and is_local)

    def _made_in(self, result: int) -> Path:
        """Where workers put files of a result: where they belong, if that is on this machine."""
        return self._staging.output(result) if self._work.job.pack else self._local_root(result)

    def _local_root(self, result: int) -> Path:
        return self._depots[result].folder or self._staging.output(result)

    # ------------------------------------------------------------ a chunk

    def run(self, chunk: Chunk, scratch: Scratch) -> ChunkResult:
        """Make the items of a chunk; raises `OutputError` if what became of them has no place."""
        try:
            return self._run(chunk, scratch)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self._depots[0]}: cannot be written: {error}") from error

    def _run(self, chunk: Chunk, scratch: Scratch) -> ChunkResult:
        started = perf_counter()
        summary = Summary(out=Path())
        result = ChunkResult(chunk.number, len(chunk.items), summary)
        result.bytes = sum(map(sum, chunk.sizes))
        with ThreadPoolExecutor(_AHEAD) as fetching, ThreadPoolExecutor(_AHEAD) as putting:
            if chunk.is_probe:
                for _ in self._exported(chunk, scratch, fetching):
                    pass
                return result
            if chunk.shard:
                made, shard = self._make_shard(chunk, scratch, fetching)
            else:
                made, shard = self._make_tree(chunk, scratch, fetching, putting), None
        for each in made:
            self._record(each, result)
        for task in chunk.marks:
            items = [each.parts[task.result] for each in made]
            result.parts.append(self._put_mark(task, chunk, Mark(items, shard)))
        result.seconds = perf_counter() - started
        return result

    def _exported(
        self, chunk: Chunk, scratch: Scratch, fetching: ThreadPoolExecutor
    ) -> Iterator[Outcome]:
        """Export items one after the other, while the files of the next ones are fetched."""
        batches = _batches(chunk)
        ahead: deque[tuple[_Batch, Future[list[Item | ItemError]]]] = deque()
        while True:
            for batch in islice(batches, _AHEAD - len(ahead)):
                ahead.append((batch, fetching.submit(self._fetch, batch)))
            if not ahead:
                return
            batch, fetched = ahead.popleft()
            for number, (item, here) in enumerate(zip(batch.items, fetched.result(), strict=True)):
                is_dead = batch.begin + number in chunk.dead
                outcome = self._export(item, here, scratch, is_dead=is_dead)
                self._staging.release(here, batch.sources[number])
                self._staging.name_original(outcome, item, chunk.sources, self._depots)
                yield outcome

    def _fetch(self, batch: _Batch) -> list[Item | ItemError]:
        return self._staging.fetch(batch.items, batch.sources, batch.sizes)

    def _export(
        self, item: Item, here: Item | ItemError, scratch: Scratch, *, is_dead: bool
    ) -> Outcome:
        if is_dead:
            return Outcome(item, error=CrashError(_CRASHED, file=item.image or item.annotation))
        if isinstance(here, ItemError):
            return Outcome(item, error=here)
        outcome = self._worker.export(here, scratch)
        assert outcome is not None, "nobody halts it"
        return outcome

    # ------------------------------------------------------------ trees

    def _make_tree(
        self,
        chunk: Chunk,
        scratch: Scratch,
        fetching: ThreadPoolExecutor,
        putting: ThreadPoolExecutor,
    ) -> list[_Made]:
        """Make the items of a chunk, and put their files while the next ones are made."""
        made: list[_Made] = []
        waiting: deque[Future[None]] = deque()
        sizes = (len(batch.items) for batch in _batches(chunk))
        outcomes = self._exported(chunk, scratch, fetching)
        for size in sizes:
            group = [*map(self._made, islice(outcomes, size))]
            made += group
            waiting.append(putting.submit(self._put, group, chunk))
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
        for future in waiting:
            future.result()
        return made

    def _made(self, outcome: Outcome) -> _Made:
        """What became of an item, by results."""
        item = outcome.item
        made = _Made(outcome)
        for number, (inlet, place) in enumerate(item.reached):
            result = self._work.sinks[item.flow][inlet]
            part = made.parts.setdefault(result, MarkedItem(item.name, place))
            if outcome.error is None:
                for name, written in outcome.written[number].each():
                    part.files[f"{place}/{name}"] = written
                if number < len(outcome.counts):
                    part.counts += _numbers_of(outcome.counts[number])
        return made

    def _put(self, group: list[_Made], chunk: Chunk) -> None:
        """Put the files of items that are made; those for which that fails have failed."""
        for result, depot in enumerate(self._depots):
            parts = [each.parts[result] for each in group if result in each.parts]
            names = [name for part in parts for name in part.files]
            if depot.folder is None and names:
                try:
                    self._staging.put(result, depot, names)
                except OSError as error:
                    self._staging.drop(result, names)
                    self._fail(group, str(error))
        if chunk.cleans:
            self._clean(group)

    def _fail(self, group: list[_Made], problem: str) -> None:
        for each in group:
            if each.outcome.error is None:
                each.outcome.error = WriteError(problem)
                each.outcome.written = []
                for part in each.parts.values():
                    part.files, part.counts = {}, []

    def _clean(self, group: list[_Made]) -> None:
        """Remove what an earlier run made of items and this one did not."""
        for each in group:
            item, has_failed = each.outcome.item, each.outcome.error is not None
            for inlet, place in item.reached:
                result = self._work.sinks[item.flow][inlet]
                files, depot = each.parts[result].files, self._depots[result]
                depot.remove(
                    f"{place}/{name}"
                    for name in _possible_files(item, place, self._settings[result], depot)
                    if f"{place}/{name}" not in files and (has_failed or is_own(name))
                )

    # ------------------------------------------------------------ shards

    def _make_shard(
        self, chunk: Chunk, scratch: Scratch, fetching: ThreadPoolExecutor
    ) -> tuple[list[_Made], dict[str, object] | None]:
        """Make the items of a chunk as the samples of a shard, in their order."""
        made: list[_Made] = []
        offset = 0
        with self._shards.growing(chunk.shard) as file:
            for outcome in self._exported(chunk, scratch, fetching):
                if outcome.sample == NO_ROOM:
                    raise OutputError(str(outcome.error))
                each = self._made(outcome)
                made.append(each)
                if (sample := outcome.sample) is not None:
                    if problem := self._worker.place(sample, file.path, offset):
                        raise OutputError(f"{file.path}: cannot be written: {problem}")
                    each.parts[0].extent = Extent(0, offset, sample.length)
                    offset += sample.length
            self._worker.close_shard(file.path)
            with open(file.path, "r+b") as end:
                end.seek(offset)
                end.write(END)
        self._clear_spools()
        samples = sum(each.outcome.error is None for each in made)
        self._put_shard(chunk, samples)
        size = offset + len(END)
        return made, {"name": chunk.shard, "samples": samples, "bytes": size} if samples else None

    def _put_shard(self, chunk: Chunk, samples: int) -> None:
        depot, folder = self._depots[0], self._staging.output(0)
        try:
            if not samples:
                depot.remove([chunk.shard])
            elif depot.folder is None:
                depot.put_file(chunk.shard, str(folder / chunk.shard))
        except OSError as error:
            raise OutputError(str(error)) from error
        finally:
            if depot.folder is None:
                self._staging.drop(0, [chunk.shard])

    def _clear_spools(self) -> None:
        """Remove spools that get no more samples; all that they have are in shards."""
        folder = hidden_folder(self._staging.output(0), self._work.part)
        for path in folder.glob(f"{SPOOL}*"):
            with suppress(FileNotFoundError):
                if path.stat().st_size >= SPOOL_BYTES:
                    path.unlink()

    # ------------------------------------------------------------ marks

    def _record(self, made: _Made, result: ChunkResult) -> None:
        """Add what became of an item to what comes back."""
        outcome = made.outcome
        result.summary.add(outcome)
        item = outcome.item
        if self._work.has_report:
            numbers = self._work.sinks[item.flow]
            folders = [self._work.folders[numbers[inlet]] for inlet, _ in item.reached]
            result.entries.append(report_entry(outcome, folders))
        if outcome.error is not None:
            result.errors.append(error_entry(outcome, item.dataset))
            for part in made.parts.values():
                part.error = describe(outcome.error, item)

    def _put_mark(self, task: MarkTask, chunk: Chunk, mark: Mark) -> ResultPart:
        """Put a mark, and remove the one that it replaces."""
        depot, folder = self._depots[task.result], marks_folder(self._work.part)
        if task.merges:
            content = depot.find(f"{folder}/{task.merges}")
            if content is None:
                raise OutputError(f"{depot}: a mark is gone: run the same again")
            whole = Mark.decoded(content, f"{depot}/{folder}/{task.merges}")
            for position, item in zip(chunk.positions, mark.items, strict=True):
                whole.items[position] = item
            mark = whole
        name = str(mark.named(task.id, chunk.keys))
        depot.put({f"{folder}/{name}": mark.encoded()})
        if task.merges not in {"", name}:
            depot.remove([f"{folder}/{task.merges}"])
        totals: dict[int, list[int]] = {}
        add_rows(totals, mark.rows())
        return ResultPart(task.result, name, totals, mark.shard)


def _possible_files(
    item: Item, place: str, settings: Settings | SaveSettings, depot: Depot
) -> Iterator[str]:
    """Names below its data set's folder that only files of this item have."""
    annotation = item.annotation and item.annotation.rpartition("/")[2]
    entry = Entry(item.name, item.image is not None, annotation, item.mask_name)
    for name in output_names(entry, settings):
        if not name.startswith("ann/") or name == f"ann/{item.name}.json":
            yield name
    yield from own_names(entry, settings)
    for folder in own_folders(entry, settings):
        yield from (f"{folder}/{name}" for name in depot.names(f"{place}/{folder}"))


def _numbers_of(counts: bytes) -> list[int]:
    return [number for row in unpacked(counts) for number in row]


def _batches(chunk: Chunk) -> Iterator[_Batch]:
    """The items of a chunk in groups; the first ones are small, so that work begins soon."""
    begin = total = 0
    most = _FIRST_BATCH
    for number, sizes in enumerate(chunk.sizes):
        own = sum(sizes)
        if number > begin and (number - begin == most or total + own > _BATCH_BYTES):
            yield _batch(chunk, begin, number)
            begin, total, most = number, 0, min(2 * most, _LARGEST_BATCH)
        total += own
    if begin < len(chunk.items):
        yield _batch(chunk, begin, len(chunk.items))


def _batch(chunk: Chunk, begin: int, end: int) -> _Batch:
    some = slice(begin, end)
    return _Batch(begin, chunk.items[some], chunk.sources[some], chunk.sizes[some])
