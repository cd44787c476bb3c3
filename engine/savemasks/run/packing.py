"""Packs the samples of a run: from outcomes to shards and their rows in the journal.

Outcomes come in the order of the items. Each sample gets its place at once, but a worker may still
have to write it there. An outcome is recorded when it and all before it are written, so the journal
knows the same samples as if they had been written one after the other.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from ..errors import OutputError, printable
from ..line.job import Outcome, PackRules
from ..projects.items import Item
from ..results.output import Output
from ..results.packer import Packer
from ..results.shards import settle
from ..store.files import Store
from ..store.pack_members import member
from ..store.packs import NO_ROOM, SPOOL_BYTES, Sample, clear_spools
from .options import RunOptions
from .pool import Pool
from .routes import Routing

INDEX = "index.json"


class Packing:
    """The shards of a run with one result.

    Attributes
    ----------
    packer
        Knows where samples lie.
    problem
        Why a shard could not be written, or None; the run is to end then.
    """

    def __init__(self, output: Output, meta: bytes, options: RunOptions) -> None:
        """Look at the shards that are there; `meta` is meta.json. Raises `OutputError`."""
        assert options.pack is not None
        self._output, self._rules = output, options.pack
        self._is_part = options.part is not None
        self.problem: str | None = None
        if options.restart:
            output.journal.places.forget()
        is_first = options.part is None or options.part.number == 1
        has_meta = self._rules.kind == "tar" and is_first
        prelude = member("meta.json", meta) if has_meta else b""
        self.packer = Packer(
            output.root, self._rules, output.journal, prelude, durable=options.durable
        )
        self._taken: dict[str, int] = {}  # bytes of every spool that are in shards
        self._waiting: deque[Outcome] = deque()  # until they can be recorded

    def take(self, outcome: Outcome, pool: Pool | None) -> bool:
        """Take what became of the next item, and again when its sample is in its place.

        Returns whether that went well; `pool` writes samples that are in the memory of workers.
        """
        if self.problem is not None:
            return False
        try:
            if outcome.is_placed:
                self._check_place(outcome)
            elif outcome.sample == NO_ROOM:
                self.problem = str(outcome.error)
            else:
                self._waiting.append(outcome)
                self._place(outcome, pool)
        except OutputError as error:
            self.problem = str(error)
        return self.problem is None

    def _check_place(self, outcome: Outcome) -> None:
        """Raise `OutputError` if a sample could not be written where it belongs."""
        if outcome.place_problem is not None:
            assert outcome.extent is not None
            shard = self.packer.shard_of(outcome.extent)
            raise OutputError(f"{printable(shard)}: cannot be written: {outcome.place_problem}")

    def _place(self, outcome: Outcome, pool: Pool | None) -> None:
        """Give a sample its place, and write it there or have it written; raises `OutputError`."""
        sample = outcome.sample
        if sample is not None and sample.is_held:
            assert pool is not None
            outcome.extent, outcome.shard = self.packer.reserve(sample.length)
            pool.place(outcome)
            if outcome.is_placed:  # threads write it at once
                self._check_place(outcome)
            return
        if outcome.kept is not None:
            outcome.extent = self.packer.keep(outcome.kept)
        elif sample is not None:
            outcome.extent = self.packer.add(sample)
            self._let_go(sample)
        outcome.is_placed = True

    def ready(self, record: Callable[[Outcome], None]) -> None:
        """Record what is written with all before it, as far as it is new."""
        try:
            self._record_ready(record)
        except OutputError as error:
            self.problem = str(error)

    def _record_ready(self, record: Callable[[Outcome], None]) -> None:
        journal = self._output.journal
        while self._waiting and self._waiting[0].is_placed and self.problem is None:
            outcome = self._waiting.popleft()
            extent = outcome.extent
            if outcome.kept is None:
                record(outcome)
            elif extent is not None:
                item = outcome.item
                journal.places.place(item.dataset, os.fsencode(item.name), extent)
                journal.commit_if_due()
            if outcome.shard and extent is not None:
                self.packer.note_written(extent)

    def finish(self, store: Store) -> None:
        """Make the last shard whole, and write the index, unless others are missing in it.

        Raises `OutputError`.
        """
        self._output.journal.commit()
        shards = self.packer.finish()
        if not self._is_part:
            self._output.files.put_index(INDEX, index_json(self._rules, shards), store)

    def notes(self) -> list[str]:
        """What the user should know of shards, one line each."""
        return [*self.packer.notes, *filter(None, [self.packer.oversized_note()])]

    def close(self) -> None:
        """Close all files, and remove spools; no worker may be at work."""
        self.packer.close()
        clear_spools(self._output.journal.folders.hidden)

    def _let_go(self, sample: Sample) -> None:
        """Remove a spool that is full, and of which every sample is in a shard."""
        taken = self._taken.pop(sample.path, 0) + sample.length
        # A full one gets no more samples, so if this was its last one, its end is the file's.
        if taken == sample.offset + sample.length >= SPOOL_BYTES:
            self.packer.let_go(sample.path)
        else:
            self._taken[sample.path] = taken


def index_json(rules: PackRules, shards: Sequence[Mapping[str, Any]]) -> bytes:
    """The index of a result, of its shards in their order."""
    content = {
        "kind": rules.kind,
        "samples": sum(shard["samples"] for shard in shards),
        "shards": shards,
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def take_kept(
    items: Iterator[Item | Outcome], accept: Callable[[Outcome], bool]
) -> tuple[Item | Outcome | None, bool]:
    """Take the samples that are there, up to the first item that is to be made.

    Returns
    -------
    That item, or None, and whether `accept` has ended the run.
    """
    for item in items:
        if not isinstance(item, Outcome) or item.kept is None:
            return item, False
        if not accept(item):
            return None, True
    return None, False


def check_packing(routing: Routing, options: RunOptions) -> None:
    """Raise `OutputError` for what cannot be packed. Writes nothing."""
    writing = len(routing.results)
    if writing > 1:
        raise OutputError(
            f"a packed result is for one layer that writes, but there are {writing}: run them one"
            " by one, or without --pack"
        )
    if any(len(inlets) > 1 for inlets in routing.sinks):
        raise OutputError(
            "a packed result takes every image once, but here some flow into it by several ways:"
            " give each way a layer that writes and run them one by one, or run without --pack"
        )
    if options.link:
        raise OutputError("there are no hard links into archives: leave out --link, or --pack")


def remove_packing(output: Output) -> None:
    """Remove the shards of a result that is to be a tree of files; raises `OutputError`."""
    output.journal.places.forget()
    settle(output.journal)
    output.files.remove_index()
