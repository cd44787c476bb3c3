"""What is left to do: the items of the projects against the journal."""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

import orjson

from ..errors import FolderError, WriteError, printable
from ..layers.save_masks import Settings
from ..line.job import Outcome, Stamp, needs_image, output_names
from ..projects.supervisely import Dataset, Entry, Item, Listing
from ..results.journal import Journal, Record, pack_names, pack_stamps
from ..results.report import describe
from ..store.files import Store
from ..system import Folder

_NAMED_VANISHED = 3
_MOST_KEPT = 1 << 20  # names of items, of about a hundred bytes each
_FOLDER = b""  # the name under which a data set is noted that could not be listed


class Agenda:
    """The items that are left, one data set after the other.

    Attributes
    ----------
    skipped
        Items passed over so far because they were finished before.
    vanished
        Items that were finished and are no longer in the projects.
    vanished_names
        The first few of them.
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
        """List what is to do; with `only_failed`, what the journal knows to have failed."""
        self.skipped = self.vanished = 0
        self.vanished_names: list[str] = []
        self._datasets, self._journal, self._settings = datasets, journal, settings
        self._store, self._stop, self._only_failed = store, stop, only_failed
        self._needs_image = needs_image(settings)
        self._has_strangers = journal.has_strangers()
        self._strange_folders: dict[str, bool] = {}
        self._listings: dict[str, Listing] = {}
        self._kept = 0
        journal.expect(dataset.output for dataset in datasets)

    def total(self) -> int:
        """How many items there are, done or not."""
        if self._only_failed:
            return self._journal.count(failed=True)
        return sum(map(self._count, self._datasets))

    def _count(self, dataset: Dataset) -> int:
        """How many items a data set has; up to a bound, its names are kept until its turn comes."""
        try:
            listing = dataset.listing()
        except OSError:
            return 1  # its turn will be one failure
        count = len(listing.names)
        if self._kept + count <= _MOST_KEPT:
            self._kept += count
            self._listings[dataset.output] = listing
        return count

    def left(self) -> Iterator[Item | Outcome]:
        """All items that are not finished; one whose fate is sure comes as its outcome.

        Of an item that was finished and has changed, the old files are removed here, so that
        nothing old stays if making it anew fails.
        """
        for dataset in self._datasets:
            try:
                listing = self._listings.pop(dataset.output, None) or dataset.listing()
            except OSError as error:
                yield self._unlisted(dataset, error)
                continue
            yield from self._left_of(dataset, listing)
            if self._stop.is_set():
                return
        self._look_for_lost_datasets()

    def _unlisted(self, dataset: Dataset, error: OSError) -> Outcome:
        """Note that a data set cannot be listed."""
        outcome = folder_failure(error)
        if outcome.error:
            explained = orjson.dumps(describe(outcome.error, outcome.item))
            self._journal.add_failure(dataset.output, _FOLDER, explained)
        return outcome

    def _left_of(self, dataset: Dataset, listing: Listing) -> Iterator[Item | Outcome]:
        known = self._journal.count(dataset.output)
        records = _Records(self._journal, dataset.output, known)
        unlisted = records.at(_FOLDER) if known else None
        was_unlisted = unlisted is not None
        known -= was_unlisted
        everything = not self._only_failed or was_unlisted
        claims = _Claims(listing)
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
                if record is None:
                    wanted = everything
                elif self._only_failed and not was_unlisted:
                    wanted = record.error is not None
                else:
                    wanted = not self._is_finished(record, entry, images, annotations)
                    self.skipped += not wanted
                if wanted:
                    if unlisted is not None and unlisted.error is not None:
                        # So that it is still known if it should not come to its turn.
                        name = os.fsencode(entry.name)
                        self._journal.add_failure(dataset.output, name, unlisted.error)
                    item = listing.item(entry)
                    yield self._make_way(record, item, entry, claims) or item
        if was_unlisted:
            self._journal.forget(dataset.output, _FOLDER)
        if found < known and not self._only_failed:
            self._look_for_lost_items(listing)

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

    def _make_way(
        self, record: Record | None, item: Item, entry: Entry, claims: "_Claims"
    ) -> Outcome | None:
        """Remove what an item has become before; return its failure if something is in the way."""
        try:
            if record is not None:
                self._remove_outputs(record, item, claims)
            if self._has_strangers:
                self._check_strangers(item, entry)
        except WriteError as error:
            return Outcome(item, error=error)
        return None

    def _remove_outputs(self, record: Record, item: Item, claims: "_Claims") -> None:
        """Remove the files of an item that is made anew, but none that is another's now."""
        removed = False
        for name, _ in record.files():
            if not claims.of_others(name, item):
                self._store.remove(f"{item.dataset}/{name}")
                removed = True
        if removed and record.error is not None:  # it has failed until it is made again
            self._journal.add_failure(item.dataset, record.name, record.error)
        elif removed:
            self._journal.forget(item.dataset, record.name)

    def _check_strangers(self, item: Item, entry: Entry) -> None:
        """Refuse an item that would replace what was there before us."""
        for file in output_names(entry, self._settings):
            name = f"{item.dataset}/{file}"
            folder = name.rpartition("/")[0]
            if self._is_strange_folder(folder) or self._journal.is_stranger(name):
                problem = "exists and was not made by savemasks; move it away"
                raise WriteError(problem, file=f"{self._store.root}/{name}")

    def _is_strange_folder(self, folder: str) -> bool:
        """Whether a folder, or one that it lies in, is a file or a link that was there before."""
        known = self._strange_folders.get(folder)
        if known is None:
            parent = folder.rpartition("/")[0]
            known = self._journal.is_stranger(folder) or (
                bool(parent) and self._is_strange_folder(parent)
            )
            self._strange_folders[folder] = known
        return known

    def _look_for_lost_items(self, listing: Listing) -> None:
        names = set(listing.names)
        dataset = listing.dataset.output
        masks = {entry.mask_name for entry in listing}
        for record in self._journal.records(dataset):
            name = os.fsdecode(record.name)
            if name in names or record.name == _FOLDER:
                continue
            if record.error is not None or _mask_of(record) in masks:
                # It left nothing, or what it left is another's now.
                self._journal.forget(dataset, record.name)
            if record.error is None:
                self._vanish(dataset, name)

    def _look_for_lost_datasets(self) -> None:
        if self._only_failed:
            return
        listed = {dataset.output for dataset in self._datasets}
        for dataset in self._journal.datasets():
            if dataset not in listed:
                for record in self._journal.records(dataset):
                    if record.error is None:
                        self._vanish(dataset, os.fsdecode(record.name))

    def _vanish(self, dataset: str, name: str) -> None:
        self.vanished += 1
        if len(self.vanished_names) < _NAMED_VANISHED:
            self.vanished_names.append(printable(f"{dataset}/{name}"))


def folder_failure(error: OSError) -> Outcome:
    """Say that a data set cannot be listed, which is a failure in its place."""
    folder = str(error.filename)
    item = Item(folder, name="", image=None, annotation=None, mask_name="")
    problem = f"the folder cannot be read: {error.strerror}"
    return Outcome(item, error=FolderError(problem, file=folder))


class _Records:
    """A data set's records, asked for in about their own order."""

    def __init__(self, journal: Journal, dataset: str, count: int) -> None:
        self._journal, self._dataset = journal, dataset
        self._records = journal.records(dataset) if count else iter(())
        self._next = next(self._records, None)

    def at(self, name: bytes) -> Record | None:
        """Return what is known of an item."""
        while self._next is not None and self._next.name < name:
            self._next = next(self._records, None)
        if self._next is not None and self._next.name == name:
            return self._next
        # Names that are no UTF-8 are in another order here than there.
        return self._journal.find(self._dataset, name)


class _Claims:
    """Which names of files the items of a data set have now."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._masks: set[str] | None = None
        self._annotations: Counter[str] | None = None

    def of_others(self, name: str, item: Item) -> bool:
        """Whether a file that was an item's may be another item's now."""
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
