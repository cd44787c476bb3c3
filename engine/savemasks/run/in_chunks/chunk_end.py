"""The end of a run in chunks: what all marks come to, and the files that say something of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import OutputError, printable
from ...layers.save_masks import SaveMasks
from ...line.job import is_own, output_names
from ...projects.items import Dataset
from ...projects.parts import stem_of
from ...results.in_chunks.chunked_output import (
    Begun,
    ChunkedOutput,
    Done,
    has_root_files,
    missing_parts,
    put_root_files,
    read_all_done,
    read_begun,
    read_root_sums,
    state_of,
)
from ...results.in_chunks.depot import Depot
from ...results.in_chunks.marks import (
    Fingerprint,
    Mark,
    MarkedItem,
    add_rows,
    add_totals,
    marks_folder,
)
from ...results.notes import unfinished_note, vanished_note
from ...store.pack_members import END
from ..options import RunOptions
from ..packing import INDEX, index_json
from ..remaining import OutputOwners
from .chunking import Chunking
from .chunks import Added

if TYPE_CHECKING:
    from ...results.report import Summary
    from ..routes import Result, Routing

_MAX_NAMES = 3


def end_result(
    routing: "Routing",
    number: int,
    output: ChunkedOutput,
    chunking: Chunking,
    added: Added,
    options: RunOptions,
    summary: "Summary",
) -> None:
    """Note what a part, or the whole, came to; remove marks of items that are gone.

    `added` is what chunks have added to result `number`. What cannot be written goes into the
    summary.
    """
    depot, folder = output.depot, marks_folder(options.part)
    try:
        new = {*added.marks}
        unused = [name for name in chunking.outdated[number] if name not in new]
        if not options.only_failed:
            unused += output.index.rest()
        if unused:
            vanished = _Vanished(routing, number, depot)
            vanished.settle([f"{folder}/{name}" for name in unused])
            depot.remove(f"{folder}/{name}" for name in unused)
            summary.vanished += vanished.count
            if vanished.count:
                note = vanished_note(vanished.count, vanished.names, is_packed=bool(options.pack))
                summary.warnings.append(note)
        used = [*chunking.used[number], *(output.index.rest() if options.only_failed else ())]
        fingerprint = Fingerprint(output.seed)
        for name in (*used, *new):
            fingerprint.add(name)
        done = output.done
        if done is None and options.only_failed:
            return  # what has not failed was not looked at
        if done is None or done.fingerprint != str(fingerprint):
            done = _sum_up(str(fingerprint), depot, [f"{folder}/{name}" for name in used], added)
        if options.pack:
            _settle_shards(depot, done, options)
        output.put_done(done)
        finish_all_parts(routing.results[number], depot, summary, has_index=bool(options.pack))
    except OutputError as error:
        summary.legend_problem = str(error)


def _sum_up(fingerprint: str, depot: Depot, used: Sequence[str], added: Added) -> Done:
    """Add up what all marks say; those of earlier runs are read."""
    done = Done(fingerprint)
    shards: list[dict[str, Any] | None] = [*added.shards]
    add_totals(done.totals, added.totals)
    for name, content in depot.read_each(used):
        mark = Mark.decoded(content, f"{depot}/{name}")
        add_rows(done.totals, mark.rows())
        shards.append(mark.shard)
    done.shards = sorted(
        (shard for shard in shards if shard), key=lambda s: (len(s["name"]), s["name"])
    )
    return done


def _settle_shards(depot: Depot, done: Done, options: RunOptions) -> None:
    """Remove shards of an earlier run that had more of them; there is one at least."""
    stem = stem_of(depot.url.name, options.part)
    if not done.shards:
        name = f"{stem}-00000.tar"
        depot.put({name: END})
        done.shards.append({"name": name, "samples": 0, "bytes": len(END)})
    there = {shard["name"] for shard in done.shards}
    for name in depot.names(""):
        begin, _, end = name.rpartition("-")
        if begin == stem and end.endswith(".tar") and name not in there:
            depot.remove([name])


def finish_all_parts(
    result: "Result", depot: Depot, summary: "Summary", *, has_index: bool
) -> None:
    """Write legend and index, if all parts have ended and these are not there as they should be.

    Raises `OutputError`.
    """
    begun = read_begun(depot)
    assert begun is not None
    done = read_all_done(depot, begun)
    if missing := missing_parts(begun, done):
        summary.warnings.append(unfinished_note(missing, has_index=has_index))
        return
    state = state_of(done.values())
    sums = read_root_sums(depot)
    if sums.state != state or not has_root_files(depot, sums):
        put_root_files(depot, _root_files(result, begun, [*filter(None, done.values())]), state)


def _root_files(
    result: "Result", begun: Begun, done: Sequence[Done]
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files at the root of a result."""
    yield "meta.json", result.meta
    if begun.pack:
        yield INDEX, index_json(begun.pack, [shard for each in done for shard in each.shards])
    if isinstance(result.layer, SaveMasks):
        from ...results.legends import legend_files  # loads NumPy, Numba and libvips

        totals: dict[int, list[int]] = {}
        for each in done:
            add_totals(totals, each.totals)
        counted = {label: (a, b, c) for label, (a, b, c) in totals.items()}
        yield from legend_files(result.layer, result.classes, result.shapes, counted)


@dataclass(slots=True)
class _Vanished:
    """Marks that say nothing of the items that there are now.

    Attributes
    ----------
    count, names
        Of items that are gone, and whose files stay; names of the first few.
    """

    routing: "Routing"
    result: int
    depot: Depot
    count: int = 0
    names: list[str] = field(default_factory=list)

    def settle(self, marks: Sequence[str]) -> None:
        """Remove files that items have under other names now, and count items that are gone."""
        old: dict[str, dict[str, MarkedItem]] = {}
        for name, content in self.depot.read_each(marks):
            for item in Mark.decoded(content, f"{self.depot}/{name}").items:
                if item.error is None:
                    old.setdefault(item.dataset, {})[item.name] = item
        for dataset in self.routing.datasets:
            for inlet, place in dataset.reached:
                if self.routing.sinks[dataset.flow][inlet] == self.result and place in old:
                    self._look_at(dataset, place, old[place])
        for place, items in old.items():
            self.count += len(items)
            room = _MAX_NAMES - len(self.names)
            self.names += [printable(f"{place}/{name}") for name in sorted(items)[:room]]

    def _look_at(self, dataset: Dataset, place: str, old: dict[str, MarkedItem]) -> None:
        settings = self.routing.results[self.result].layer.settings
        for listing in dataset.batches():
            owners = OutputOwners(listing)
            for entry in listing:
                before = old.pop(entry.name, None)
                if before is None or before.extent is not None:
                    continue
                now = {f"{place}/{name}" for name in output_names(entry, settings)}
                item = listing.item(entry)
                self.depot.remove(
                    name
                    for name in before.files.keys() - now
                    if not is_own(below := name[len(place) + 1 :])
                    and not owners.has_other_owner(below, item)
                )
