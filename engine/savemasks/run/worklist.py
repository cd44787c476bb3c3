"""The worklist of a run: the items of the projects that the journals do not call finished."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace

import orjson

from ..errors import FolderError, OutputError
from ..line.job import Outcome
from ..projects.ignored import Ignored
from ..projects.items import Dataset, Entry, Item, Listing
from ..projects.locations import open_folder
from ..projects.parts import Part
from ..results.report import describe
from .remaining import WHOLE_DATASET, DatasetList, OutputOwners, ResultList, Target

_MAX_KEPT_NAMES = 1 << 20  # of items, about 100 bytes each


class Worklist:
    """The items that remain to be done, one data set after the other.

    An item is yielded once, with the places of those results that do not have it yet.

    Attributes
    ----------
    skipped
        Number of items passed over so far because an earlier run has finished them.
    vanished
        Number of items that were finished and are no longer in the projects.
    vanished_names
        The names of the first few of them.
    ignored
        Files that are no items, of the data sets whose turn has come.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        flows: Sequence[Sequence[Target]],
        stop: threading.Event,
        *,
        only_failed: bool = False,
        part: Part | None = None,
    ) -> None:
        """Prepare the list.

        Parameters
        ----------
        datasets
            Where the items are.
        flows
            By the number that data sets name, the results of the flow's inlets.
        stop
            Ends the list.
        only_failed
            Whether to list only what the journals know to have failed.
        part
            The part of the items to list, or None for all.
        """
        self.skipped = 0
        self.ignored = Ignored()
        self._datasets, self._stop, self._only_failed = datasets, stop, only_failed
        self._part = part
        self._listings: dict[int, Listing] = {}
        self._kept_names = 0
        lists: dict[int, ResultList] = {}
        self._flows = [
            [lists.setdefault(id(target.journal), ResultList(target)) for target in targets]
            for targets in flows
        ]
        self._results = [*lists.values()]
        for dataset in datasets:
            for result, output in self._places(dataset):
                result.add_dataset(output)

    @property
    def vanished(self) -> int:
        """Number of items that were finished and are no longer in the projects."""
        return max((result.vanished for result in self._results), default=0)

    @property
    def vanished_names(self) -> list[str]:
        """The names of the first few of them."""
        return max((result.vanished_names for result in self._results), key=len, default=[])

    def total(self) -> int:
        """Return the number of items, done or not."""
        if self._only_failed:
            return sum(result.journal.count(failed=True) for result in self._results)
        counts = [self._count(*numbered) for numbered in enumerate(self._datasets)]
        for dataset, count in zip(self._datasets, counts, strict=True):
            for result, _ in self._places(dataset):
                result.total += count
        return sum(counts)

    def note_begin(self) -> None:
        """Note in the journals how many items there are, after `total`; raises `OutputError`."""
        if not self._only_failed:
            for result in self._results:
                result.journal.put(total=b"%d" % result.total, ended=b"0")

    def note_end(self) -> None:
        """Note in the journals that all items were tried.

        If that cannot be written, the results look as if the run had been ended early.
        """
        if not self._only_failed:
            for result in self._results:
                with suppress(OutputError):
                    result.journal.put(ended=b"1")

    def _count(self, number: int, dataset: Dataset) -> int:
        """Count a data set's items; up to a limit, keep its listing until its turn comes."""
        try:
            listing = dataset.listing()
        except OSError:
            return 1  # it will be one failure
        count = len(listing.names)
        if self._kept_names + count <= _MAX_KEPT_NAMES:
            self._kept_names += count
            self._listings[number] = listing
        if part := self._part:
            return sum(part.takes(dataset.folder.name, name) for name in listing.names)
        return count

    def _own(self, dataset: Dataset, listing: Listing) -> Iterator[Entry]:
        """The items of a data set that are in this part."""
        if (part := self._part) is None:
            return iter(listing)
        folder = dataset.folder.name
        return (entry for entry in listing if part.takes(folder, entry.name))

    def _places(self, dataset: Dataset) -> list[tuple[ResultList, str]]:
        """The results that a data set flows into, and its places there."""
        lists = self._flows[dataset.flow]
        return [(lists[inlet], output) for inlet, output in dataset.reached]

    def remaining(self) -> Iterator[Item | Outcome]:
        """Yield all items that are not finished, and the outcomes of those that cannot be begun.

        Of an item that was finished and has changed, the old files are removed here, so that no
        outdated file stays if the item fails now.
        """
        for number, dataset in enumerate(self._datasets):
            try:
                listing = self._listings.pop(number, None) or dataset.listing()
            except OSError as error:
                yield self._record_unlisted(dataset, error)
                continue
            self.ignored.merge(listing.ignored, dataset.output)
            yield from self._remaining_of(dataset, listing)
            if self._stop.is_set():
                return
        if not self._only_failed:
            for result in self._results:
                result.count_vanished_datasets()

    def _record_unlisted(self, dataset: Dataset, error: OSError) -> Outcome:
        """Note in the journals that a data set cannot be listed."""
        outcome = listing_failure(error, dataset)
        if outcome.error:
            explained = orjson.dumps(describe(outcome.error, outcome.item))
            for result, output in self._places(dataset):
                result.journal.add_failure(output, WHOLE_DATASET, explained)
        return outcome

    def _remaining_of(self, dataset: Dataset, listing: Listing) -> Iterator[Item | Outcome]:
        """Yield what remains of a data set, which an earlier run may not have been able to list."""
        owners = OutputOwners(listing)
        lists = [
            DatasetList(result, output, listing, owners, only_failed=self._only_failed)
            for result, output in self._places(dataset)
        ]
        if all(list_.is_new for list_ in lists):
            for item in map(listing.item, self._own(dataset, listing)):
                if self._stop.is_set():
                    return
                yield item
            return
        with (
            closing(open_folder(dataset.folder / "img")) as images,
            closing(open_folder(dataset.folder / "ann")) as annotations,
        ):
            for entry in self._own(dataset, listing):
                if self._stop.is_set():
                    return
                found = [list_.remains(entry, images, annotations) for list_ in lists]
                if not any(found):
                    self.skipped += not self._only_failed or lists[0].lists_anew
                    if (kept := lists[0].kept()) is not None:
                        yield Outcome(listing.item(entry), kept=kept)
                    continue
                item = listing.item(entry)
                if not all(found):
                    places = zip(dataset.places, found, strict=True)
                    item = replace(item, places=tuple(place for place, it in places if it))
                begun = [c.begin(item, entry) for c, it in zip(lists, found, strict=True) if it]
                yield next(filter(None, begun), item)
        for list_ in lists:
            list_.finish()


def listing_failure(error: OSError, dataset: Dataset) -> Outcome:
    """Return the outcome of a data set that cannot be listed: one failure in its place."""
    folder = str(error.filename)
    item = Item(folder, "", None, None, "", dataset.flow, dataset.places)
    problem = f"the folder cannot be read: {error.strerror}"
    return Outcome(item, error=FolderError(problem, file=folder))
