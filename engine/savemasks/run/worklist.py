"""The worklist of a run: the items of the projects that the journal does not call finished."""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

import orjson

from ..errors import FolderError, WriteError, printable
from ..layers.save_masks import Settings
from ..line.job import Outcome, Stamp, needs_image, output_names
from ..projects.ignored import Ignored
from ..projects.items import Dataset, Entry, Item, Listing
from ..results.journal import Journal, Record, pack_names, pack_stamps
from ..results.report import describe
from ..store.files import Store
from ..system import Folder

_MAX_VANISHED_NAMES = 3
_MAX_KEPT_NAMES = 1 << 20  # of items, about 100 bytes each
_WHOLE_DATASET = b""  # the journal's item name for a data set that could not be listed


class Worklist:
    """The items that remain to be done, one data set after the other.

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
        journal: Journal,
        settings: Settings,
        store: Store,
        stop: threading.Event,
        *,
        only_failed: bool = False,
    ) -> None:
        """Prepare the list; with `only_failed`, of what the journal knows to have failed."""
        self.skipped = self.vanished = 0
        self.vanished_names: list[str] = []
        self.ignored = Ignored()
        self._datasets, self._journal, self._settings = datasets, journal, settings
        self._store, self._stop, self._only_failed = store, stop, only_failed
        self._needs_image = needs_image(settings)
        self._has_foreign = journal.has_foreign()
        self._foreign_folders: dict[str, bool] = {}
        self._listings: dict[str, Listing] = {}
        self._kept_names = 0
        journal.add_datasets(dataset.output for dataset in datasets)

    def total(self) -> int:
        """Return the number of items, done or not."""
        if self._only_failed:
            return self._journal.count(failed=True)
        return sum(map(self._count, self._datasets))

    def _count(self, dataset: Dataset) -> int:
        """Count a data set's items; up to a limit, keep its listing until its turn comes."""
        try:
            listing = dataset.listing()
        except OSError:
            return 1  # it will be one failure
        count = len(listing.names)
        if self._kept_names + count <= _MAX_KEPT_NAMES:
            self._kept_names += count
            self._listings[dataset.output] = listing
        return count

    def remaining(self) -> Iterator[Item | Outcome]:
        """Yield all items that are not finished, and the outcomes of those that cannot be begun.

        Of an item that was finished and has changed, the old files are removed here, so that no
        outdated file stays if the item fails now.
        """
        for dataset in self._datasets:
            try:
                listing = self._listings.pop(dataset.output, None) or dataset.listing()
            except OSError as error:
                yield self._record_unlisted(dataset, error)
                continue
            self.ignored.merge(listing.ignored, dataset.output)
            yield from self._remaining_of(dataset, listing)
            if self._stop.is_set():
                return
        self._count_vanished_datasets()

    def _record_unlisted(self, dataset: Dataset, error: OSError) -> Outcome:
        """Note in the journal that a data set cannot be listed."""
        outcome = listing_failure(error)
        if outcome.error:
            explained = orjson.dumps(describe(outcome.error, outcome.item))
            self._journal.add_failure(dataset.output, _WHOLE_DATASET, explained)
        return outcome

    def _remaining_of(self, dataset: Dataset, listing: Listing) -> Iterator[Item | Outcome]:
        """Yield what remains of a data set, which an earlier run may not have been able to list."""
        known = self._journal.count(dataset.output)
        records = _Records(self._journal, dataset.output, known)
        unlisted = records.at(_WHOLE_DATASET) if known else None
        relisted = unlisted is not None
        known -= relisted
        only_failed = self._only_failed and not relisted
        owners = _OutputOwners(listing)
        found = 0
        with (
            closing(Folder(dataset.folder / "img")) as images,
            closing(Folder(dataset.folder / "ann")) as annotations,
        ):
            for entry in listing:
                if self._stop.is_set():
                    return
                record = records.at(os.fsencode(entry.name)) if known else None
                found += record is not None
                if only_failed:
                    if record is None or record.error is None:
                        continue
                elif record and self._is_finished(record, entry, images, annotations):
                    self.skipped += 1
                    continue
                if unlisted is not None and unlisted.error is not None:
                    # The item stays known as failed if the run ends before its turn.
                    name = os.fsencode(entry.name)
                    self._journal.add_failure(dataset.output, name, unlisted.error)
                item = listing.item(entry)
                yield self._clear_outputs(record, item, entry, owners) or item
        if relisted:
            self._journal.delete(dataset.output, _WHOLE_DATASET)
        if found < known:
            self._count_vanished_items(listing)

    def _is_finished(
        self, record: Record, entry: Entry, images: Folder, annotations: Folder
    ) -> bool:
        if record.error is not None or record.generation != self._journal.generation:
            return False
        if record.outputs != pack_names(output_names(entry, self._settings)):
            return False
        annotation = _stamp(annotations, entry.annotation)
        image = _stamp(images, entry.name if entry.has_image and self._needs_image else None)
        return record.inputs == pack_stamps(annotation, image)

    def _clear_outputs(
        self, record: Record | None, item: Item, entry: Entry, owners: "_OutputOwners"
    ) -> Outcome | None:
        """Remove outputs of an earlier run; return the failure if foreign files are in the way."""
        try:
            if record is not None:
                self._remove_outputs(record, item, owners)
            if self._has_foreign:
                self._refuse_foreign(item, entry)
        except WriteError as error:
            return Outcome(item, error=error)
        return None

    def _remove_outputs(self, record: Record, item: Item, owners: "_OutputOwners") -> None:
        """Remove the files of an item that is made anew, except those of other items now."""
        removed = False
        for name, _ in record.files():
            if not owners.has_other_owner(name, item):
                self._store.remove(f"{item.dataset}/{name}")
                removed = True
        if removed and record.error is not None:  # it counts as failed until it is made again
            self._journal.add_failure(item.dataset, record.name, record.error)
        elif removed:
            self._journal.delete(item.dataset, record.name)

    def _refuse_foreign(self, item: Item, entry: Entry) -> None:
        """Raise `WriteError` for an item that would replace a foreign file."""
        for file in output_names(entry, self._settings):
            name = f"{item.dataset}/{file}"
            folder = name.rpartition("/")[0]
            if self._is_foreign_folder(folder) or self._journal.is_foreign(name):
                problem = "exists and was not made by savemasks; move it away"
                raise WriteError(problem, file=f"{self._store.root}/{name}")

    def _is_foreign_folder(self, folder: str) -> bool:
        """Whether a folder, or one that it lies in, is a foreign file or link."""
        known = self._foreign_folders.get(folder)
        if known is None:
            parent = folder.rpartition("/")[0]
            known = self._journal.is_foreign(folder) or (
                bool(parent) and self._is_foreign_folder(parent)
            )
            self._foreign_folders[folder] = known
        return known

    def _count_vanished_items(self, listing: Listing) -> None:
        """Count finished items that are gone, unless only failed ones count; forget failed ones."""
        names = set(listing.names)
        dataset = listing.dataset.output
        masks = {entry.mask_name for entry in listing}
        for record in self._journal.records(dataset):
            name = os.fsdecode(record.name)
            if name in names or record.name == _WHOLE_DATASET:
                continue
            if record.error is None and self._only_failed:
                continue
            if record.error is not None or _mask_of(record) in masks:
                # It has no files, or they are another item's now.
                self._journal.delete(dataset, record.name)
            if record.error is None:
                self._count_vanished(dataset, name)

    def _count_vanished_datasets(self) -> None:
        if self._only_failed:
            return
        listed = {dataset.output for dataset in self._datasets}
        for dataset in self._journal.datasets():
            if dataset not in listed:
                for record in self._journal.records(dataset):
                    if record.error is None:
                        self._count_vanished(dataset, os.fsdecode(record.name))

    def _count_vanished(self, dataset: str, name: str) -> None:
        self.vanished += 1
        if len(self.vanished_names) < _MAX_VANISHED_NAMES:
            self.vanished_names.append(printable(f"{dataset}/{name}"))


def listing_failure(error: OSError) -> Outcome:
    """Return the outcome of a data set that cannot be listed: one failure in its place."""
    folder = str(error.filename)
    item = Item(folder, name="", image=None, annotation=None, mask_name="")
    problem = f"the folder cannot be read: {error.strerror}"
    return Outcome(item, error=FolderError(problem, file=folder))


class _Records:
    """A data set's journal records, read along with its items, which have about the same order."""

    def __init__(self, journal: Journal, dataset: str, count: int) -> None:
        self._journal, self._dataset = journal, dataset
        self._records = journal.records(dataset) if count else iter(())
        self._next = next(self._records, None)

    def at(self, name: bytes) -> Record | None:
        """Return the record of an item, or None."""
        while self._next is not None and self._next.name < name:
            self._next = next(self._records, None)
        if self._next is not None and self._next.name == name:
            return self._next
        # Names that are not UTF-8 are sorted differently in the journal.
        return self._journal.find(self._dataset, name)


class _OutputOwners:
    """Which items of a data set the names of output files belong to now."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._masks: set[str] | None = None
        self._annotations: Counter[str] | None = None

    def has_other_owner(self, name: str, item: Item) -> bool:
        """Whether a file that an item has made may be another item's now."""
        folder, _, file = name.partition("/")
        if folder == "ann":
            if file == f"{item.name}.json":
                return False
            if self._annotations is None:
                self._annotations = Counter(e.annotation for e in self._listing if e.annotation)
            own = (item.annotation or "").rpartition("/")[2] == file
            return self._annotations[file] > own
        if folder == "img" or file == item.mask_name:
            return False
        if self._masks is None:
            self._masks = {entry.mask_name for entry in self._listing}
        return file in self._masks


def _mask_of(record: Record) -> str | None:
    for name, _ in record.files():
        folder, _, file = name.partition("/")
        if folder.startswith("masks_"):
            return file
    return None


def _stamp(folder: Folder, name: str | None) -> Stamp | None:
    """Return what tells whether a file has changed, or None if there is none."""
    if name is None:
        return None
    try:
        status = folder.stat(name)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)
