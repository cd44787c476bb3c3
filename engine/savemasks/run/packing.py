"""Packs the samples of a run: from outcomes to shards and their rows in the journal."""

import os
from contextlib import suppress
from pathlib import Path

import orjson

from ..errors import OutputError
from ..line.job import Extent, Outcome, PackRules
from ..results.lock import HIDDEN
from ..results.output import Output
from ..results.packer import PART, Packer, read_shards
from ..store.files import Store
from ..store.packs import SPOOL, SPOOL_BYTES, Sample
from ..store.tar_members import member

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

    def __init__(
        self, output: Output, rules: PackRules, meta: bytes, *, restart: bool, durable: bool
    ) -> None:
        """Look at the shards that are there; raises `OutputError`."""
        self._output, self._rules = output, rules
        self.problem: str | None = None
        if restart:
            _forget_shards(output)
        prelude = member("meta.json", meta) if rules.kind == "tar" else b""
        self.packer = Packer(output.root, rules, output.journal, prelude, durable=durable)
        self._taken: dict[str, int] = {}  # bytes of every spool that are in shards

    def take(self, outcome: Outcome) -> bool:
        """Put what became of the next item into its shard; return whether that went well."""
        item = outcome.item
        extent: Extent | None = None
        try:
            if outcome.kept is not None:
                extent = self.packer.keep(outcome.kept)
            elif outcome.sample is not None and outcome.error is None:
                extent = self.packer.add(outcome.sample)
                self._let_go(outcome.sample)
        except OutputError as error:
            self.problem = str(error)
            return False
        if extent is not None:
            self._output.journal.place(item.dataset, os.fsencode(item.name), extent)
        return True

    def finish(self, store: Store) -> None:
        """Make the last shard whole, and write the index; raises `OutputError`."""
        self._output.journal.commit()
        shards = self.packer.finish()
        content = {
            "kind": self._rules.kind,
            "samples": sum(shard["samples"] for shard in shards),
            "shards": shards,
        }
        text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        self._output.put_index(INDEX, text, store)

    def close(self) -> None:
        """Close all files, and remove spools; no worker may be at work."""
        self.packer.close()
        for path in (self._output.root / HIDDEN).glob(f"{SPOOL}*"):
            path.unlink(missing_ok=True)

    def _let_go(self, sample: Sample) -> None:
        """Remove a spool that is full, and of which every sample is in a shard."""
        taken = self._taken.pop(sample.path, 0) + sample.length
        if taken >= SPOOL_BYTES and taken == os.stat(sample.path).st_size:
            with suppress(OSError):
                os.unlink(sample.path)
        else:
            self._taken[sample.path] = taken


def _forget_shards(output: Output) -> None:
    """Remove all shards: everything is made anew."""
    shards = read_shards(output.journal)
    output.journal.put(shards=b"[]")
    for _, name in shards:
        for file in {name, name.removesuffix(PART)}:
            Path(output.root / file).unlink(missing_ok=True)
